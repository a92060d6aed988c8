"""`bye` ends the machine in order; what the student has is on the disk, and there after the next start.

On the emulator a start is dear: test_update.py makes one after a power cut, so that the one here is for ARM alone.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from practicum.architecture import Architecture
from practicum.semester.description import Semester
from smoke_tests.appliance.identity import Identity, read_identity
from smoke_tests.appliance.tree import find_tree
from smoke_tests.container.docker import cgroup_options, docker
from smoke_tests.ext4 import FileSystem
from smoke_tests.guest import PATIENCE
from smoke_tests.jupyter import Jupyter
from smoke_tests.qemu import Machine

STOP_CPU = 30.0
"""CPU seconds of QEMU; the stop was promised within 30 s, and an idle host took 6."""

STOP_TIMEOUT = 900.0
"""Seconds, a net."""

NO_LIMIT = """
mkdir -p /run/systemd/system/service.d
printf '[Service]\\nTimeoutStopSec=infinity\\n' > /run/systemd/system/service.d/patient.conf
systemctl daemon-reload
"""
"""Systemd kills what does not stop within seconds of its clock, whatever the host does meanwhile. Without these limits
everything must end by itself."""


def test_bye_in_a_notebook_ends_the_machine(
    machine: Machine, jupyter: Jupyter, identity: Identity, semester: Semester, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.sudo(NO_LIMIT)
    machine.run(f"echo kept > ~/{semester.course.slug}/smoke-kept.txt")
    with jupyter.start_kernel() as kernel:
        assert kernel.execute("1", timeout=PATIENCE).status == "ok"
        begun = machine.cpu_seconds
        kernel.send("!bye")
        spent = machine.wait_poweroff(STOP_TIMEOUT) - begun
    with capsys.disabled():
        print(f"\n  bye took {spent:.1f} CPU s of QEMU")
    assert spent < STOP_CPU


@pytest.fixture(scope="module")
def left(machine: Machine, disk: Path, work: Path) -> FileSystem:
    """Return the machine's file system, as the stop left it."""
    return FileSystem(disk).recover(machine.overlay, work / "stopped.raw")


def test_stopped_machine_has_code_and_home_on_its_disk(
    left: FileSystem, identity: Identity, semester: Semester
) -> None:
    home = f"/home/{semester.appliance.user}/{semester.course.slug}"
    assert left.read("/var/lib/course/access-code").decode() == identity.code
    assert left.read(f"{home}/smoke-kept.txt") == b"kept\n"


def test_nothing_had_to_be_killed_at_the_stop(
    left: FileSystem, identity: Identity, semester: Semester, architecture: Architecture, tmp_path: Path
) -> None:
    journal = tmp_path / "system.journal"
    journal.write_bytes(left.read(f"/var/log/journal/{identity.machine_id}/system.journal"))
    reader = ("journalctl", "--file=/mnt/system.journal", "--no-pager", "--output=cat", "--lines=200")
    place = (f"--volume={tmp_path}:/mnt:ro", "--network=none", find_tree(semester, architecture))
    told = docker("run", "--rm", *cgroup_options(), *place, *reader).stdout
    assert "Reached target" in told and "timed out" not in told.lower(), told


def test_second_start_keeps_code_and_home(machine: Machine, identity: Identity, semester: Semester) -> None:
    machine.power_on()
    machine.wait_ready()
    assert machine.issue["Access code"] == identity.code
    assert read_identity(machine) == identity
    assert machine.run(f"cat ~/{semester.course.slug}/smoke-kept.txt").stdout == "kept\n"
    assert machine.http("/api/contents", identity.code).status_code == 200
    assert machine.http("/api/contents").status_code == 403
    assert machine.run("systemctl --failed --plain --no-legend").stdout == ""
