"""The first boot, under BIOS: the machine makes itself ready, and what it shows is already on its disk.

The booted machine is saved; the machines of the other modules go on from there.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from smoke_tests.appliance.conftest import MakeMachine
from smoke_tests.ext4 import FileSystem
from smoke_tests.qemu import Machine
from smoke_tests.saved_machine import Boot, SavedMachine, Shelf, go_on


@pytest.fixture(scope="module")
def saved(shelf: Shelf, boot_first: Boot) -> SavedMachine:
    """Booted now, whatever was booted before: what was not run is not proven."""
    return shelf.machine(boot_first, again=True)


@pytest.fixture(scope="module")
def machine(saved: SavedMachine, new_machine: MakeMachine):
    with go_on(saved, new_machine, "first-boot") as running:
        yield running


def test_ends_with_jupyterlab_ready(machine: Machine, saved: SavedMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.issue["Status"] == "ready"
    assert machine.http("/api/contents", machine.code).status_code == 200
    with capsys.disabled():
        print(f"\n  the code after {saved.boot['code']:.0f} CPU s of QEMU, ready after {saved.boot['ready']:.0f} CPU s")


def test_code_is_on_the_disk_when_it_is_shown(
    machine: Machine, disk: Path, overlay_at_code: Path, tmp_path: Path
) -> None:
    """Whoever pulls the plug then finds the same code after the next start."""
    files = FileSystem(disk).recover(overlay_at_code, tmp_path / "root.raw")
    assert files.read("/var/lib/course/access-code").decode() == machine.code


def test_first_boot_is_recorded_as_whole(machine: Machine) -> None:
    assert machine.run("test -s /var/lib/course/firstboot.done && echo yes").stdout == "yes\n"
    assert machine.run("stat -c %a:%U /var/lib/course/access-code").stdout == "640:root\n"
    assert machine.run("systemctl --failed --plain --no-legend").stdout == ""
