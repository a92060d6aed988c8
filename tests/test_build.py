"""What a change of the checkout makes run again, in every product, and errors before any work."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import ROOT, SEMESTER, Checkout
from readers import ALL, CONTAINERS, COURSE, CPU, CUDA_REST, DATA, DISK, MACHINE, OVA, SETTINGS, SYSTEM, WHEELS
from survivors import HANG

from practicum.commands import build
from practicum.engine import tools
from practicum.engine.cache import hash_tree
from practicum.engine.errors import PracticumError
from practicum.recipes.wheels import LastWheels
from practicum.semester import products
from practicum.semester.description import load

# ---- what a change makes run again ---------------------------------------------------------------------------------

CHANGES: dict[str, tuple[Callable[[Checkout], object], set[str]]] = {
    # semester.toml
    "the title": (lambda c: c.replace('title = "Deep Learning"', 'title = "Deeper Learning"'), SETTINGS),
    "the institution": (lambda c: c.replace('institution = "EPFL"', 'institution = "Uni"'), SETTINGS),
    "a Debian package": (lambda c: c.replace('    "htop",\n', ""), SYSTEM),
    "a Debian package of the machine": (lambda c: c.replace('    "kbd",\n', ""), MACHINE),
    "the user": (lambda c: c.replace('user = "student"', 'user = "learner"'), MACHINE),
    "the access": (lambda c: c.replace('access = "code"', 'access = "open"'), MACHINE),
    "a port": (lambda c: c.replace("jupyter_port = 8888", "jupyter_port = 8890"), SETTINGS),
    "the included content": (lambda c: c.replace('"prologue", "practicals", ', '"prologue", '), COURSE),
    "the data sets": (lambda c: c.replace('["mnist", "cifar10"]', '["mnist"]'), DATA),
    "the source of the data": (lambda c: c.replace('"real-or-stand-in"  ', '"stand-in"  '), DATA),
    "the maker of the stand-ins": (
        lambda c: c.touch("course_content/tools/src/course_tools/datasets/__init__.py"),
        DATA,
    ),
    "the solutions": (lambda c: c.replace("solutions = false", "solutions = true"), COURSE),
    "the address": (lambda c: c.replace("[data]\n", '[release]\naddress = "https://example.org"\n[data]\n'), COURSE),
    "the number of the content release": (lambda c: c.replace("release = 1 ", "release = 2 "), COURSE),
    "a key that signs": (lambda c: (c.folder.parent / "allowed_signers").write_text("release ssh-ed25519 A\n"), COURSE),
    "a comment on the keys": (lambda c: (c.folder.parent / "allowed_signers").write_text("# none\n\n"), set()),
    "the disk's size": (lambda c: c.replace("disk_gb = 64", "disk_gb = 32"), DISK),
    "the memory": (lambda c: c.replace("memory_mb = 4096", "memory_mb = 8192"), OVA),
    "the processors": (lambda c: c.replace("cpus = 2", "cpus = 4"), OVA),
    "a comment of the description": (lambda c: c.touch(f"semesters/{SEMESTER}/semester.toml"), set()),
    # locks
    "the CPU build of torch": (lambda c: change_hash(c.folder / "python-cpu.lock", "torch"), CPU),
    "the CUDA build of torch": (
        lambda c: change_hash(c.folder / "python-cuda.lock", "torch"),
        {"torch-cuda", "container-cuda", "course-cuda", "image-cuda"},
    ),
    "a library of CUDA": (lambda c: change_hash(c.folder / "python-cuda.lock", "nvidia-nccl-cu13"), CUDA_REST),
    "a package of both": (
        lambda c: [change_hash(c.folder / f"python-{kind}.lock", "numpy") for kind in ("cpu", "cuda")],
        WHEELS,
    ),
    "a comment of the lock": (lambda c: c.touch(f"semesters/{SEMESTER}/python-cpu.lock"), set()),
    "debian.lock": (lambda c: c.touch(f"semesters/{SEMESTER}/debian.lock"), SYSTEM),
    "a package of the base": (lambda c: c.replace("bash=5.2", "bash=5.3", f"semesters/{SEMESTER}/debian.lock"), ALL),
    # trim lists
    "Debian's trim list": (lambda c: c.touch("ansible/trim/debian.dpkg.cfg"), ALL),
    "Python's trim list": (lambda c: c.touch("ansible/trim/python.txt"), WHEELS),
    # packer and ansible
    "a template of Packer": (lambda c: c.touch("packer/build.pkr.hcl"), SYSTEM),
    "Ansible's settings": (lambda c: c.touch("ansible/ansible.cfg"), SYSTEM),
    **{
        f"the play {play}": (lambda c, play=play: c.touch(f"ansible/{play}.yml"), expected)
        for play, expected in {
            "system": SYSTEM,
            "wheels": WHEELS,
            "data": DATA,
            "appliance": MACHINE,
            "container": CONTAINERS,
            "course": COURSE,
        }.items()
    },
    **{
        f"the role {role}": (lambda c, role=role: c.touch(f"ansible/roles/{role}/tasks/main.yml"), expected)
        for role, expected in {
            "system": SYSTEM,
            "python": SYSTEM,
            "wheels": WHEELS,
            "data": DATA,
            "jupyter": SETTINGS,
            "appliance": MACHINE,
            "container": CONTAINERS,
            "course": COURSE,
            "sysprep": COURSE,
        }.items()
    },
    "a file that a role copies": (lambda c: c.touch("ansible/roles/jupyter/files/kernel.json"), SETTINGS),
    "a new file of a role": (lambda c: (c.root / "ansible/roles/course/tasks/new.yml").touch(), COURSE),
    "the start interface": (lambda c: c.touch("docker/bin/start.sh"), CONTAINERS),
    "the compose file": (lambda c: c.touch("docker/compose.yaml"), set()),
    # content
    "a content file": (lambda c: c.touch("course_content/index.md"), COURSE),
    "a student's command": (lambda c: c.touch("course_content/tools/src/course_tools/report.py"), COURSE),
    "a command of the runtime": (lambda c: c.touch("runtime/src/course_runtime/machine/bye.py"), COURSE),
    "a test that students run": (lambda c: c.touch("smoke_tests/compute/conftest.py"), COURSE),
    "a test of ours": (lambda c: c.touch("smoke_tests/conftest.py"), set()),
    "a content file's name": (
        lambda c: (c.root / "course_content/index.md").rename(c.root / "course_content/prologue/index.md"),
        COURSE,
    ),
    "a leftover of Python": (lambda c: (c.root / "course_content/__pycache__").mkdir(), set()),
}


def change_hash(path: Path, package: str) -> None:
    """Changes one digit of a package's digest, as a rebuilt wheel would."""
    lines = path.read_text().splitlines(keepends=True)
    (place,) = [number for number, line in enumerate(lines) if line.startswith(f"{package}==")]
    line = lines[place].rstrip("\n")
    lines[place] = line[:-1] + ("0" if line[-1] != "0" else "1") + "\n"
    path.write_text("".join(lines))


@pytest.mark.parametrize("change", CHANGES)
def test_change_runs_what_reads_it_and_nothing_else(checkout: Checkout, old_keys: dict[str, str], change: str) -> None:
    before = old_keys
    alter, expected = CHANGES[change]
    if change == "a content file's name":  # the file stays included, under its folder
        checkout.replace('include = ["index.md", "prologue"', 'include = ["prologue"')
        before = checkout.keys()
    alter(checkout)
    after = checkout.keys()
    assert {name for name in after if after[name] != before[name]} == expected


def test_recipes_read_and_change_nothing(checkout: Checkout) -> None:
    before = hash_tree(checkout.root)
    first, second = checkout.keys(), checkout.keys()
    assert hash_tree(checkout.root) == before
    assert first == second and set(first) == ALL
    assert len(products.list_all(checkout.load())) == len(ALL), "two stages of one name would share a cache"


def test_stages_come_after_what_they_read(checkout: Checkout) -> None:
    known: set[str] = set()
    for stage in products.list_all(checkout.load()):
        read = {label: value for label, value in stage.inputs.items() if label in ALL or label == "before"}
        assert set(read.values()) <= known, f"{stage.name} runs before {read}"
        assert read or stage.name == "base", "a stage must name the stage whose key it reads"
        known.add(stage.key)


def test_products_share_what_they_have_in_common(checkout: Checkout) -> None:
    semester = checkout.load()
    machine, cpu = (
        {stage.key for stage in stages}
        for stages in (products.list_ova(semester), products.list_image(semester, "cpu"))
    )
    cuda = {stage.key for stage in products.list_image(semester, "cuda")}
    names = {stage.key: stage.name for stage in products.list_all(semester)}
    assert {names[key] for key in machine & cpu} == {"base", "system", "python", "data", "torch-cpu"}
    assert {names[key] for key in cpu & cuda} == {"base", "system", "python", "data"}


def test_checkouts_share_all_but_the_appliance_itself(checkout: Checkout, tmp_path: Path) -> None:
    """No path of the build host is in a key, so a second clone finds everything in the cache and only packs."""
    other = Checkout(tmp_path / "elsewhere/clone")
    shutil.copytree(checkout.root, other.root)
    mine, theirs = checkout.keys(), other.keys()
    assert {name for name in mine if mine[name] != theirs[name]} == OVA


def test_tools_of_all_stages_are_known_to_the_installer(checkout: Checkout) -> None:
    needed = {tool for stage in products.list_all(checkout.load()) for tool in stage.needs}
    assert {"mmdebstrap", "packer", "docker", "mke2fs"} < needed
    # ansible-playbook comes with practicum's own environment.
    assert {tool for tool in needed if tool not in {**tools.PACKAGES, **tools.FILES}} == {"ansible-playbook"}


# ---- errors before any work ----------------------------------------------------------------------------------------


def command(checkout: Checkout, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [Path(sys.executable).with_name("practicum"), *arguments],
        cwd=checkout.root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )


def assert_refused(done: "subprocess.CompletedProcess[str]", checkout: Checkout, *words: str) -> None:
    assert done.returncode == 2 and done.stdout == "", done
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("practicum: "), done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert not (checkout.root / "dist").exists()


@pytest.mark.skipif(tools.find("docker") is None, reason="docker is missing: install docker.io")
@pytest.mark.parametrize("verb", ["ova", "docker", "archive", "explain"])
def test_docker_that_does_not_answer_is_one_line_with_the_cure(checkout: Checkout, tmp_path: Path, verb: str) -> None:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    done = command(checkout, verb, DOCKER_HOST=f"unix://{path}")
    assert_refused(done, checkout, "docker: not reachable", "Cannot connect", "make docker-daemon")


def test_missing_part_of_the_content_is_one_line_with_the_cure(checkout: Checkout) -> None:
    checkout.replace('"prologue", "practicals", ', '"prologue", "practical", ')
    done = command(checkout, "ova")
    assert_refused(done, checkout, 'content.include[2] = "practical"', "practicals")


def test_lock_that_does_not_fit_is_one_line_with_the_cure(checkout: Checkout) -> None:
    checkout.replace('"torchvision==0.28.0"', '"torchvision==0.27.0"')
    with pytest.raises(PracticumError, match=rf"torchvision==0\.27\.0.*run: practicum lock {SEMESTER}$"):
        products.list_all(checkout.load())
    (checkout.folder / "python-cpu.lock").unlink()
    with pytest.raises(PracticumError, match=rf"not there yet; run: practicum lock {SEMESTER}$"):
        products.list_all(checkout.load())


def test_missing_role_is_told_before_the_build(checkout: Checkout) -> None:
    shutil.rmtree(checkout.root / "ansible/roles/jupyter")
    with pytest.raises(PracticumError, match=r"ansible/roles/jupyter: no such file or folder"):
        products.list_all(checkout.load())


def test_first_build_is_explained_as_such(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "ensure_docker", lambda: None)
    assert set(build.explain(checkout.load())) == {(name, "first build") for name in ALL}
    assert not any(stage.folder.exists() for stage in products.list_all(checkout.load()))


def test_the_last_wheels_are_those_of_the_lock(checkout: Checkout) -> None:
    semester = checkout.load()
    stage = products.list_environment(semester, "cpu")[-1]
    assert isinstance(stage, LastWheels) and stage.packages == products.split_wheels(semester, "cpu")["torch-cpu"]
    assert "torch" in {package.name for package in stage.packages}


# ---- what a person asks for ----------------------------------------------------------------------------------------


def test_again_runs_a_stage_and_all_that_reads_it(checkout: Checkout) -> None:
    wanted = products.list_ova(checkout.load())
    assert build.find_readers(wanted, "squashfs") == {"squashfs", *DISK}
    assert build.find_readers(wanted, "base") == {stage.name for stage in wanted}
    with pytest.raises(PracticumError, match=r"^--again=squash: no such stage of this product; known: base, system, "):
        build.find_readers(wanted, "squash")


def test_table_of_the_docs_is_the_one_that_explain_prints() -> None:
    """Written anew by: practicum explain --reads."""
    documented = (ROOT / "docs/build.md").read_text()
    assert build.render_reads(load(ROOT / "semesters" / SEMESTER)) in documented
