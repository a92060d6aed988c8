"""The appliance's disk and its machines.

A boot costs over a minute in software emulation. So one is booted and saved, and each module gets a machine of its own
that goes on from there; only where booting is what is tested, machines are booted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from smoke_tests.appliance.identity import Identity, read_identity
from smoke_tests.emulator import read_version
from smoke_tests.hardware import find_hardware
from smoke_tests.jupyter import Jupyter
from smoke_tests.qemu import Machine
from smoke_tests.saved_machine import Boot, SavedMachine, Shelf, copy_overlay, go_on

if TYPE_CHECKING:
    from practicum.architecture import Architecture
    from practicum.semester.description import Semester

MakeMachine = Callable[..., Machine]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the first boot first: all other machines go on from it."""
    items.sort(key=lambda item: item.path.name != "test_first_boot.py")


@pytest.fixture(scope="session")
def work(build: Path) -> Iterator[Path]:
    """Scratch folder for disks, removed at the end; logs do not go here."""
    with tempfile.TemporaryDirectory(prefix=".smoke-", dir=build) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def shelf(ova: Path, build: Path, architecture: Architecture) -> Shelf:
    """Return what the test runs of this .ova share."""
    return Shelf(ova, build / f"machines{architecture.suffix}", read_version(architecture))


@pytest.fixture(scope="session")
def disk(shelf: Shelf) -> Path:
    """Return the disk inside the .ova as a raw file, only to be read."""
    return shelf.disk()


@pytest.fixture(scope="session")
def new_machine(disk: Path, work: Path, build: Path, semester: Semester, architecture: Architecture) -> MakeMachine:
    """Make machines of the appliance: `new_machine("name", cpus=2)`, off until used with `with`."""

    def make(name: str, **options: Any) -> Machine:
        described: dict[str, Any] = {
            "disk": disk,
            "user": semester.appliance.user,
            "cpus": 1,  # a second emulated processor makes a boot no quicker beside other tests, and a third dearer
            "memory_mb": semester.appliance.memory_mb,
            "uefi": architecture.hardware.firmware == "EFI",
            "architecture": architecture,
            "hardware": find_hardware(architecture),
        }
        return Machine(work=work, logs=build / "logs", name=f"{name}{architecture.suffix}", **described | options)

    return make


@pytest.fixture(scope="session")
def overlay_at_code(work: Path) -> Path:
    """Where `boot_first` leaves what is on the disk when the code has just been shown."""
    return work / "at-code.qcow2"


@pytest.fixture(scope="session")
def boot_first(new_machine: MakeMachine, overlay_at_code: Path) -> Boot:
    """Boots for the first time until JupyterLab is ready; returns what `Shelf.machine` wants."""

    def boot() -> tuple[Machine, dict[str, float]]:
        machine = new_machine("first")
        machine.power_on()
        try:
            assert machine.code
            figures = {"code": machine.cpu_seconds}
            copy_overlay(machine, overlay_at_code)
            machine.wait_ready()
            return machine, figures | {"ready": machine.cpu_seconds}
        except BaseException:
            machine.power_cut()
            raise

    return boot


@pytest.fixture(scope="session")
def saved(shelf: Shelf, boot_first: Boot) -> SavedMachine:
    """Return a machine whose first boot is done, with JupyterLab ready."""
    return shelf.machine(boot_first)


@pytest.fixture(scope="module")
def machine(saved: SavedMachine, new_machine: MakeMachine, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """Return the module's own machine, booted for the first time, with JupyterLab ready."""
    with go_on(saved, new_machine, request.module.__name__.rpartition(".test_")[2]) as running:
        yield running


@pytest.fixture(scope="module")
def jupyter(machine: Machine) -> Jupyter:
    """JupyterLab of the module's machine, used with its access code."""
    return Jupyter(machine.url, machine.code)


@pytest.fixture(scope="module")
def identity(machine: Machine) -> Identity:
    """Return what must be of the module's machine alone, as it was at its first boot."""
    return read_identity(machine)
