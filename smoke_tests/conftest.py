"""Which product is tested. The tests in compute/ import nothing of practicum: they run with torch and pytest alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from practicum.architecture import Architecture
    from practicum.semester.description import Semester

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("products")
    group.addoption("--semester", help="folder name below semesters/ (default: the newest)")
    group.addoption("--arch", help="for which processor the products are (default: that of this machine)")
    group.addoption("--ova", type=Path, help="appliance to test (default: the one built in dist/)")
    group.addoption("--skip-missing-image", action="store_true", help="skip the tests of an image that was not built")
    for kind in ("cpu", "cuda"):
        group.addoption(f"--{kind}-image", help=f"container image to test (default: the semester's {kind} image)")


def pytest_report_header(config: pytest.Config) -> str:
    """Skips are shown with their reasons whatever the options: a skipped proof must never look like a proof."""
    if "s" not in config.option.reportchars and "a" not in config.option.reportchars.lower():
        config.option.reportchars += "s"
    return f"logs and screenshots: {REPOSITORY / 'build'}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip every test, with the reason, where the products for another processor are not to be had here."""
    if not config.getoption("--arch"):
        return
    from smoke_tests.obstacle import find_absence

    architecture = find_chosen_architecture(config)
    absent = "" if architecture.is_native else find_absence(find_chosen_semester(config), architecture)
    for item in items if absent else ():
        item.add_marker(pytest.mark.skip(reason=absent))


def find_chosen_semester(config: pytest.Config) -> Semester:
    """Return the description of the semester that `--semester` names, the newest without it."""
    from practicum.semester.find import find_semester

    return find_semester(config.getoption("--semester") or "")


def find_chosen_architecture(config: pytest.Config) -> Architecture:
    """Return the architecture that `--arch` names, this machine's own without it."""
    from practicum.architecture import ARCHITECTURES

    name = config.getoption("--arch")
    found = [one for one in ARCHITECTURES if one.name == name or (not name and one.is_native)]
    if not found:
        raise pytest.UsageError(f"--arch: known are {', '.join(one.name for one in ARCHITECTURES)}")
    return found[0]


@pytest.fixture(scope="session")
def build() -> Path:
    """Folder of the logs and screenshots."""
    folder = REPOSITORY / "build"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def semester(request: pytest.FixtureRequest) -> Semester:
    """Return the description of the semester whose products are tested."""
    return find_chosen_semester(request.config)


@pytest.fixture(scope="session")
def architecture(request: pytest.FixtureRequest) -> Architecture:
    """Return the architecture of the products that are tested."""
    return find_chosen_architecture(request.config)


@pytest.fixture(scope="session")
def course_copy(semester: Semester, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the course's folder as students get it, with the solutions that they do not get; readable for everyone."""
    from practicum.course import content

    folder = tmp_path_factory.mktemp("course")
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(parent.stat().st_mode | 0o055)
    content.publish(semester.content_root, semester.content.include, folder / "copy", solutions=True)
    return folder / "copy"


@pytest.fixture(scope="session")
def ova(request: pytest.FixtureRequest, semester: Semester, architecture: Architecture) -> Path:
    """Return the appliance as it is given to the students."""
    from practicum.semester.products import ova_path

    path: Path = request.config.getoption("--ova") or ova_path(semester, architecture)
    if not path.is_file():
        pytest.fail(f"{path} does not exist: run `make ova` first", pytrace=False)
    return path
