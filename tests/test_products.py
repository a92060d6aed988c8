"""practicum.semester.products for two architectures, and that one is built as if there were no other."""

import itertools
import platform
from pathlib import Path
from typing import TypeVar

import pytest
from checkout import SEMESTER, Checkout
from readers import ALL

from practicum.architecture import AMD64, ARCHITECTURES, ARM64, Architecture
from practicum.commands import inputs
from practicum.engine.errors import PracticumError
from practicum.engine.stage import Stage
from practicum.recipes.archive import Archive
from practicum.recipes.base import Base
from practicum.recipes.course import Course
from practicum.recipes.data import Data
from practicum.recipes.disk import Disk
from practicum.recipes.grub import Grub
from practicum.recipes.ova import Ova
from practicum.recipes.system import System
from practicum.recipes.wheels import Wheels
from practicum.semester import find, products, settings
from practicum.semester.locks import find_lock, place_debian_lock
from practicum.semester.products import VARIANTS
from practicum.semester.revision import Revision
from practicum.wheels.lockfile import read_lock

REVISION = Revision("0123456789abcdef0123456789abcdef01234567", "2026-11-25T10:00:00Z")
T = TypeVar("T", bound=Stage)

OWN_OF_ARM = {"grub"}
"""Stages that only an architecture has whose files of GRUB the build fetches."""
HELPERS = {"base", "system", "python", "data"}
"""Stages of the machine's own architecture, in which parts for another one are made."""


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are on a machine with a processor of Intel or AMD."""
    monkeypatch.setattr(platform, "machine", lambda: AMD64.machine)


@pytest.fixture
def both(checkout: Checkout) -> Checkout:
    checkout.describe_both()
    return checkout


def one_of(kind: type[T], listed: tuple[Stage, ...]) -> T:
    """The stage of a class, of the architecture that the last one is for."""
    (found,) = [stage for stage in listed if isinstance(stage, kind) and stage.suffix == listed[-1].suffix]
    return found


def test_each_architecture_has_the_same_stages_under_names_of_its_own(both: Checkout) -> None:
    semester = both.load()
    mine, theirs = ({stage.name for stage in products.list_all(semester, [one])} for one in (AMD64, ARM64))
    assert mine == ALL and theirs == {f"{name}-arm64" for name in ALL | OWN_OF_ARM} | HELPERS
    assert {stage.name for stage in products.list_all(semester)} == mine | theirs


def test_other_architecture_changes_no_stage_of_the_first_but_what_says_for_whom_it_is(checkout: Checkout) -> None:
    alone = checkout.keys()
    checkout.describe_both()
    together = checkout.keys()
    assert {name for name in alone if alone[name] != together[name]} == {"ova"}
    (checkout.folder / "python-cpu-arm64.lock").unlink()
    assert products.list_all(checkout.load(), [AMD64]), "its locks are not even read"


def test_stages_of_one_architecture_read_none_of_another(both: Checkout) -> None:
    keys = {stage.key: stage.name for stage in products.list_all(both.load())}
    for stage in products.list_all(both.load()):
        read = {keys[value] for value in stage.inputs.values() if value in keys}
        others = {name for name in read if name.endswith(ARM64.suffix) != stage.name.endswith(ARM64.suffix)}
        assert others <= {"system", "data"}, stage.name


def test_emulated_are_only_the_stages_that_nothing_else_can_make(both: Checkout) -> None:
    """uv, a program of this machine, installs and compiles in this machine's own system, for any processor."""
    semester = both.load()
    system, data = (stage for stage in products.list_all(semester) if stage.name in ("system", "data"))
    for stage in products.list_all(semester):
        if isinstance(stage, System | Wheels | Course):
            assert stage.native == (system if stage.suffix else None), stage.name
        if isinstance(stage, Data):
            assert stage.native == (data if stage.suffix else None)
        if isinstance(stage, Wheels):
            assert stage.platform == ("aarch64-manylinux_2_36" if stage.suffix else "")


def test_machine_with_the_other_processor_helps_the_first(both: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: ARM64.machine)
    semester = both.load()
    assert not products.list_helpers(semester, "cpu", ARM64, products.MIRROR)
    for variant in products.VARIANTS:
        helpers = products.list_helpers(semester, variant, AMD64, products.MIRROR)
        assert {stage.name for stage in helpers} == {f"{name}{ARM64.suffix}" for name in HELPERS}


def test_machine_helps_with_its_system_alone_where_the_course_is_not_for_it(both: Checkout) -> None:
    both.replace('architectures = ["amd64", "arm64"]', 'architectures = ["arm64"]')
    for lock in ("python-cpu", "python-cuda"):
        (both.folder / f"{lock}.lock").unlink()
    semester = both.load()
    helpers = products.list_helpers(semester, "cpu", ARM64, products.MIRROR)
    assert [stage.name for stage in helpers] == ["base", "system"]
    assert one_of(Data, products.list_image(semester, "cpu", ARM64)).native is None


def test_machine_with_the_other_processor_makes_none_of_its_own_stages(
    both: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: ARM64.machine)
    semester = both.load()
    names = {stage.name for stage in products.list_image(semester, "cpu", ARM64)}
    assert not {name for name in names if not name.endswith(ARM64.suffix)}


def test_suffix_is_in_the_key_by_the_name_alone(both: Checkout) -> None:
    for stage in products.list_all(both.load()):
        assert "suffix" not in stage.inputs
        assert stage.name == stage.title + stage.suffix


def test_stages_get_the_values_of_their_architecture(both: Checkout) -> None:
    semester = both.load()
    for architecture in ARCHITECTURES:
        listed = products.list_ova(semester, architecture)
        base, disk, ova = one_of(Base, listed), one_of(Disk, listed), one_of(Ova, listed)
        assert (base.architecture, base.variant) == (architecture.name, architecture.variant)
        recorded = one_of(System, listed).recorded
        assert recorded and recorded.path == semester.folder / f"debian{architecture.suffix}.lock"
        assert disk.plan.boot == architecture.boot and ova.machine.hardware == architecture.hardware
        variables = settings.describe_roles(semester, architecture)
        assert architecture.kernel in variables["debian_packages"] and "linux-image" not in variables["debian_packages"]


def test_files_of_grub_are_fetched_where_they_cannot_be_installed(both: Checkout) -> None:
    semester = both.load()
    own, other = (products.list_ova(semester, architecture) for architecture in (AMD64, ARM64))
    assert not [stage for stage in own if isinstance(stage, Grub)]
    assert {"/usr/lib/grub/i386-pc/modinfo.sh", "/usr/lib/grub/x86_64-efi/modinfo.sh"} < {*one_of(Disk, own).needs}
    grub = one_of(Grub, other)
    assert (grub.package, grub.architecture) == ("grub-efi-arm64-bin", "arm64")
    assert one_of(Disk, other).grub is grub and not [tool for tool in one_of(Disk, other).needs if "grub/" in tool]


def test_landing_page_gets_the_version_that_the_product_installs(both: Checkout) -> None:
    """CPU products of ARM have another torch than the others."""
    semester = both.load()
    for architecture, variant in itertools.product(ARCHITECTURES, VARIANTS):
        locked = read_lock(find_lock(semester, variant, architecture))
        (torch,) = [package.version for package in locked if package.name == "torch"]
        listed = [products.list_image(semester, variant, architecture)]
        listed += [products.list_ova(semester, architecture)] if variant == "cpu" else []
        assert {one_of(Course, stages).versions["torch"] for stages in listed} == {torch}


def test_machines_differ_in_every_identifier(both: Checkout) -> None:
    """A student with both in VirtualBox has two machines, not one twice."""
    semester = both.load()
    one, other = (settings.describe_machine(semester, architecture) for architecture in (AMD64, ARM64))
    assert (one.name, other.name) == (f"ee559-{SEMESTER}", f"ee559-{SEMESTER}-arm64")
    assert one.derive_uuid("machine") != other.derive_uuid("machine")
    plans = [settings.describe_disk(semester, architecture) for architecture in (AMD64, ARM64)]
    assert plans[0].guid("disk") != plans[1].guid("disk") and plans[0].hostname == plans[1].hostname == "ee559"


def test_file_and_description_say_for_which_computer_where_there_are_two(checkout: Checkout) -> None:
    alone = checkout.load()
    assert products.ova_path(alone).name == f"ee559-{SEMESTER}.ova"
    assert AMD64.computers not in settings.describe_machine(alone).description
    checkout.describe_both()
    for architecture in ARCHITECTURES:
        semester = checkout.load()
        assert products.ova_path(semester, architecture).name == f"ee559-{SEMESTER}-{architecture.name}.ova"
        assert f" For {architecture.computers}. " in settings.describe_machine(semester, architecture).description


def test_images_and_archives_of_another_architecture_have_its_name(both: Checkout) -> None:
    semester = both.load()
    assert settings.name_image(semester, "cpu", REVISION, ARM64) == settings.Names(
        f"ee559:{SEMESTER}-cpu-arm64", f"ee559:{SEMESTER}-0123456789ab-cpu-arm64"
    )
    assert settings.name_image(semester, "cpu", REVISION) == settings.name_image(semester, "cpu", REVISION, AMD64)
    assert len(settings.name_image(semester, "cuda", REVISION, ARM64).fixed) <= 63, "as Zero to JupyterHub wants it"
    for architecture in ARCHITECTURES:
        path = products.archive_path(semester, "cpu", [architecture])
        assert path.name == f"ee559-{SEMESTER}-cpu-{architecture.name}.oci.tar", "all is what the short name promises"
    assert products.archive_path(semester, "cpu", ARCHITECTURES).name == f"ee559-{SEMESTER}-cpu.oci.tar"
    archive = one_of(Archive, products.list_archive(semester, "cuda", [ARM64]))
    assert archive.name == "archive-cuda-arm64" and archive.image_name == f"ee559:{SEMESTER}-cuda-arm64"


def test_missing_lock_of_another_architecture_is_told_with_the_cure(both: Checkout) -> None:
    (both.folder / "python-cuda-arm64.lock").unlink()
    with pytest.raises(
        PracticumError, match=rf"python-cuda-arm64\.lock: not there yet; run: practicum lock {SEMESTER}$"
    ):
        products.list_all(both.load())


def test_inputs_have_the_packages_of_each_architecture_that_was_built(both: Checkout) -> None:
    semester = both.load()
    assert inputs.list_deb_stages(semester, [AMD64]) == ["base", "system", "appliance"]
    assert inputs.list_deb_stages(semester, [ARM64]) == [
        *("base", "system", "base-arm64", "system-arm64", "appliance-arm64", "grub-arm64"),
    ]
    assert len(inputs.list_deb_stages(semester)) == 7


# ---- which architectures a command is for --------------------------------------------------------------------------


def test_command_without_a_word_is_for_this_machine(both: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    semester = both.load()
    for architecture in ARCHITECTURES:
        monkeypatch.setattr(find, "find_native", lambda own=architecture: own)
        assert find.choose_architectures(semester, "") == (architecture,)


@pytest.mark.parametrize(
    ("word", "chosen"),
    [("all", ARCHITECTURES), *((architecture.name, (architecture,)) for architecture in ARCHITECTURES)],
)
def test_command_is_for_what_its_word_names(both: Checkout, word: str, chosen: tuple[Architecture, ...]) -> None:
    assert find.choose_architectures(both.load(), word) == chosen


@pytest.mark.parametrize(
    ("word", "native", "told"),
    [
        ("riscv64", AMD64, "--arch=riscv64: no such architecture; known: all, amd64, arm64"),
        (
            "arm64",
            AMD64,
            f"semesters/{SEMESTER}/semester.toml: architectures does not name arm64; "
            "add it there, or choose of amd64: ARCH=amd64",
        ),
        (
            "",
            ARM64,
            f"semesters/{SEMESTER}/semester.toml: architectures does not name the architecture of this machine; "
            "add it there, or choose of amd64: ARCH=amd64",
        ),
        (
            "",
            None,
            f"semesters/{SEMESTER}/semester.toml: architectures does not name the architecture of this machine; "
            "add it there, or choose of amd64: ARCH=amd64",
        ),
    ],
)
def test_architecture_that_cannot_be_built_is_one_line_with_the_cure(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, word: str, native: Architecture | None, told: str
) -> None:
    monkeypatch.setattr(find, "find_native", lambda: native)
    with pytest.raises(PracticumError) as caught:
        find.choose_architectures(checkout.load(), word)
    assert str(caught.value) == told


def test_all_of_a_semester_for_one_architecture_is_that_one(checkout: Checkout) -> None:
    assert find.choose_architectures(checkout.load(), "all") == (AMD64,)
    assert not [stage for stage in products.list_all(checkout.load()) if stage.suffix]
    assert Path(products.inputs_path(checkout.load())).suffix == ".tar"


def test_courses_with_the_same_packages_in_the_base_share_it(both: Checkout) -> None:
    """Whatever else they install."""
    first, *_ = products.list_ova(both.load())
    lock = place_debian_lock(both.load())
    base, line, rest = lock.read_text().partition("# of the products, besides\n")
    lock.write_text(f"{base}{line}{rest}zip=3.0\n")
    shared, system, *_ = products.list_ova(both.load())
    assert shared.key == first.key and "zip" in system.recorded.path.read_text()
    lock.write_text(f"{base}zip=3.0\n{line}{rest}")
    assert products.list_ova(both.load())[0].key != first.key
