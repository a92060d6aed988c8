"""The appliance's disk and the machine that most tests share.

A boot costs about a minute in software emulation, so one machine serves as many tests as it can: first those that only
look, then those that break something and repair it, then the one that switches it off and on again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from smoke_tests.appliance.identity import Identity, read_identity
from smoke_tests.jupyter import Jupyter
from smoke_tests.qemu import Machine, extract_disk

if TYPE_CHECKING:
    from practicum.description import Semester

HERE = Path(__file__).parent
ORDER = (
    "test_virtualbox",
    "test_image",
    "test_boot",
    "test_system",
    "test_browser",
    "test_robust",
    "test_shutdown",
    "test_second_machine",
)

READY_TIMEOUT = 600  # seconds from power-on to JupyterLab: one minute emulated on idle cores, many on busy ones


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the machine in ORDER, behind all others, and give each time enough for a boot."""
    place = {HERE / f"{name}.py": number for number, name in enumerate(ORDER)}
    items.sort(key=lambda item: place.get(item.path, -1))
    for item in items:
        if item.path in place and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(1500))


@pytest.fixture(scope="session")
def work(build: Path) -> Iterator[Path]:
    """Scratch folder for disks, removed at the end; logs do not go here."""
    with tempfile.TemporaryDirectory(prefix=".smoke-", dir=build) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def disk(ova: Path, work: Path) -> Path:
    """The disk inside the .ova as a raw file, only to be read."""
    return extract_disk(ova, work / "disk.raw")


@pytest.fixture(scope="session")
def new_machine(disk: Path, work: Path, build: Path, semester: Semester):
    """Make machines of the appliance: `new_machine("name", uefi=False)`, off until used with `with`."""

    def make(name: str, *, uefi: bool = False) -> Machine:
        hardware = {"cpus": semester.appliance.cpus, "memory_mb": semester.appliance.memory_mb}
        return Machine(disk, work, build / "logs", name, semester.appliance.user, uefi=uefi, **hardware)

    return make


@pytest.fixture(scope="session")
def machine(new_machine) -> Iterator[Machine]:
    """The machine most tests share, booted for the first time under BIOS, with JupyterLab ready."""
    with new_machine("main") as running:
        assert running.code  # asked now, so that it is known when it was first shown
        running.wait_ready(READY_TIMEOUT)
        yield running


@pytest.fixture(scope="session")
def jupyter(machine: Machine) -> Jupyter:
    """JupyterLab of the shared machine, used with its access code."""
    return Jupyter(machine.url, machine.code)


@pytest.fixture(scope="session")
def identity(machine: Machine) -> Identity:
    """What must be of the shared machine alone, as it was at its first boot."""
    return read_identity(machine)
