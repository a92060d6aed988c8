"""A change of the builder's own code runs exactly the stages that use it; a change of its words runs none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import Checkout
from readers import ALL, CONTAINERS, COURSE, DATA, DISK, IMAGES, MACHINE, OVA, SYSTEM, WHEELS

from practicum.architecture import ARM64
from practicum.recipes.grub import Grub
from practicum.semester import products

SQUASHFS = {"squashfs", *DISK}
COURSE_OF_CONTAINERS = {"course-cpu", "course-cuda", *IMAGES}

MUTATIONS: list[tuple[str, str, str, set[str]]] = [
    # recipes
    ("recipes/base.py", "installing Debian", "making Debian", ALL),
    ("images/root.py", '"--variant=minbase"', '"--variant=essential"', ALL),
    ("recipes/system.py", '{"bin": program}', '{"programs": program}', SYSTEM),
    ("recipes/wheels.py", '"freeze", "--all")', '"freeze")', WHEELS),
    ("recipes/data.py", "indent=1", "indent=2", DATA),
    ("recipes/appliance.py", "${Package}=${Version}", "${Package} ${Version}", MACHINE),
    ("recipes/squashfs.py", "[PYTHON_PLACE]", "[PYTHON_PLACE, 'etc']", SQUASHFS),
    ("recipes/course.py", "solutions=self.solutions", "solutions=True", COURSE),
    ("recipes/disk.py", "{PYTHON_PLACE}/*", "{PYTHON_PLACE}", DISK),
    ("recipes/ova.py", "mtime=self.epoch", "mtime=0", OVA),
    ("recipes/container.py", '"torch": self.torch.folder, ', "", CONTAINERS),
    ("recipes/image.py", 'or "none"', 'or "no"', IMAGES),
    # images
    ("images/docker.py", '"{{.Server.Version}}"', '"{{.Client.Version}}"', ALL),
    ("images/lifetime.py", "1 2 3", "1 2", ALL),
    ("images/stage.py", "[:16]", "[:17]", ALL),
    ("images/packer.py", '"/run/practicum"', '"/run/build"', SYSTEM),
    ("images/tree.py", "--numeric-owner ", "", SQUASHFS),
    # wheels
    ("wheels/wheelhouse.py", "0o755", "0o750", WHEELS),
    ("wheels/torchvision.py", '"noops"', '"lean"', WHEELS),
    ("wheels/resolver.py", "self.glibc, 4, -1", "self.glibc, 5, -1", WHEELS),
    ("wheels/lockfile.py", "[0-9a-f]{64}", "[0-9a-f]{63}", WHEELS),
    ("wheels/lock_text.py", "start=1", "start=0", WHEELS),
    ("wheels/debian_lock.py", " became ", " is now ", MACHINE),
    # course
    ("course/content.py", "0o644", "0o640", COURSE),
    ("course/notebooks.py", "nbformat", "nbformat_", COURSE),
    ("course/commands.py", '"set-kbd"', '"bye"', COURSE),
    ("course/site/content.py", '"lectures/*.ipynb"', '"lectures/l*.ipynb"', COURSE),
    ("course/site/documents.py", "64 << 10", "65 << 10", COURSE),
    ("course/site/markdown.py", "allow_digits=False", "allow_digits=True", COURSE),
    ("course/site/bodies.py", "return ours.html", "return ''", COURSE),
    ("course/datasets.py", '"stand-in"', '"made-up"', DATA),
    # ova
    ("ova/squashfs.py", "SQUASH_LEVEL = 9", "SQUASH_LEVEL = 10", SQUASHFS),
    ("ova/disk.py", "SLACK = 192", "SLACK = 193", DISK),
    ("ova/times.py", "= 2, 11", "= 2, 12", SQUASHFS | DISK),
    ("ova/boot_menu.py", "set timeout=1", "set timeout=2", DISK),
    ("ova/vmdk.py", "_BATCH = 64", "_BATCH = 32", DISK),
    ("ova/vmdk_format.py", "SECTOR = 512", "SECTOR = 513", DISK),
    ("ova/vmdk_reader.py", "!= GRAIN", "> GRAIN", OVA),
    ("ova/ovf.py", '"en-US"', '"en-GB"', OVA),
    ("ova/pack.py", "0o644", "0o640", OVA),
    ("ova/conformance/network_rules.py", "65535", "65536", OVA),
    ("ova/conformance/platform_rules.py", "USBTablet", "PS2Mouse", OVA),
    # what every product for a processor has of its own
    ("architecture.py", "no_timer_check", "timer_check", DISK),
    # the engine decides when a stage runs, not what is in it; the others ask for stages
    ("engine/stages.py", "KEPT = 2", "KEPT = 3", set()),
    ("engine/publish.py", "os.fsync", "os.fdatasync", set()),
    ("commands/build.py", "stages.prune(remove_image)", "None", set()),
    ("cli.py", "typer.Exit(0 if", "typer.Exit(1 if", set()),
    ("commands/site.py", '"release/{name}"', '"files/{name}"', set()),
    ("commands/venv.py", '"--no-index"', '"--index"', set()),
    ("commands/preflight.py", "3 * 10**9", "4 * 10**9", set()),
]

VALUES: list[tuple[str, str, str, set[str]]] = [
    ("semester/settings.py", '"NB_UID": "1000"', '"NB_UID": "1001"', COURSE_OF_CONTAINERS),
    ("semester/settings.py", "disk_gb << 30", "disk_gb << 29", DISK),
    ("semester/settings.py", '"127.0.0.1", machine.ssh_port, 22', '"127.0.0.1", machine.ssh_port, 23', OVA),
    ("semester/products.py", '("jupyter", "container")', '("container",)', CONTAINERS),
    ("semester/products.py", 'r"nvidia-cudnn-.*"', 'r"nvidia-nothing-.*"', {"cuda"}),
]
"""Code of semester/ is in no key: what it makes of the description is what the stages are given."""


def mutate(checkout: Checkout, file: str, before: str, after: str) -> None:
    path = checkout.root / "practicum" / file
    text = path.read_text()
    assert before in text, f"{file} has no {before!r}"
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize("file, before, after, expected", MUTATIONS, ids=[f"{row[0]}: {row[1]}" for row in MUTATIONS])
def test_a_changed_expression_runs_the_stages_that_use_it(
    checkout: Checkout, old_keys: dict[str, str], file: str, before: str, after: str, expected: set[str]
) -> None:
    mutate(checkout, file, before, after)
    new = checkout.keys()
    assert {name for name in new if new[name] != old_keys[name]} == expected


def list_keys(checkout: Checkout) -> dict[str, str]:
    """The keys as the code of the checkout itself makes them, in a process of its own."""
    code = (
        "import sys; from pathlib import Path; from practicum.semester.description import load\n"
        "from practicum.semester.products import list_all\n"
        "for stage in list_all(load(Path(sys.argv[1]))): print(stage.name, stage.key)"
    )
    environment = {**os.environ, "PYTHONPATH": str(checkout.root)}
    done = subprocess.run(
        [sys.executable, "-c", code, checkout.folder],
        cwd=checkout.root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split() for line in done.stdout.splitlines())


def test_a_changed_value_of_the_semester_runs_the_stages_that_get_it(checkout: Checkout, tmp_path: Path) -> None:
    old = list_keys(checkout)
    for number, (file, before, after, expected) in enumerate(VALUES):
        changed = checkout.copy(tmp_path / f"changed-{number}")
        mutate(changed, file, before, after)
        new = list_keys(changed)
        different = {name for name in {*old, *new} if new.get(name) != old.get(name)} - OVA | (expected & OVA)
        if expected == {"cuda"}:
            assert "cuda-math" in different and "torch-cpu" not in different
        else:
            assert different == expected, (file, before)


def test_words_run_nothing(checkout: Checkout, old_keys: dict[str, str]) -> None:
    for path in (checkout.root / "practicum").rglob("*.py"):
        text = path.read_text()
        path.write_text(text.replace('"""', '"""Reworded. ', 1) + "\n# A comment.\n")
    assert checkout.keys() == old_keys


ROOMS_WITHOUT_BYTES = ("engine/", "semester/", "commands/", "release/")
"""The engine decides when a stage runs, semester/ the fields of a stage (VALUES); the others use finished products."""


def test_every_module_that_decides_bytes_is_in_a_key(checkout: Checkout) -> None:
    folder = checkout.root / "practicum"
    semester = checkout.load()
    stages = [*products.list_all(semester), *products.list_archive(semester, "cpu")]
    # As any other architecture, whose files of GRUB are fetched. The locks of it that this checkout lacks are not read.
    stages.append(Grub("grub", ARM64.name, products.MIRROR))
    known = {label.removeprefix("practicum/") for stage in stages for label in stage.inputs}
    modules = {str(path.relative_to(folder)) for path in folder.rglob("*.py") if path.name != "__init__.py"}
    outside = {name for name in modules - known if "/" in name and not name.startswith(ROOMS_WITHOUT_BYTES)}
    # They serve the builds without a network, which give the same bytes, and look whether the machine can build at all.
    # run_lecture.py runs before a build; what it made is an input of the stages that show it. Only others have extras.
    assert outside == {"course/run_lecture.py", "images/deb_index.py", "images/emulator.py", "recipes/extras.py"}
    assert {name for name in modules - known if "/" not in name} == {"cli.py"}
