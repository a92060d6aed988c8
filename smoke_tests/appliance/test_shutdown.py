"""`bye` ends the machine in time; what the student has is there after the next start."""

from __future__ import annotations

import pytest

from practicum.description import Semester
from smoke_tests.appliance.conftest import READY_TIMEOUT
from smoke_tests.appliance.identity import Identity, read_identity
from smoke_tests.jupyter import Jupyter
from smoke_tests.qemu import Machine

STOP_TIMEOUT = 30  # seconds


def test_bye_in_a_notebook_ends_the_machine(
    machine: Machine, jupyter: Jupyter, identity: Identity, semester: Semester, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.run(f"echo kept > ~/{semester.course.slug}/smoke-kept.txt")
    with jupyter.start_kernel() as kernel:
        kernel.send("!bye")
        seconds = machine.wait_poweroff(STOP_TIMEOUT)
    with capsys.disabled():
        print(f"\n  bye took {seconds:.1f} s, emulated")


def test_second_start_keeps_code_and_home(machine: Machine, identity: Identity, semester: Semester) -> None:
    machine.power_on()
    machine.wait_ready(READY_TIMEOUT)
    assert machine.issue["Access code"] == identity.code
    assert read_identity(machine) == identity
    assert machine.run(f"cat ~/{semester.course.slug}/smoke-kept.txt").stdout == "kept\n"
    assert machine.http("/api/contents", identity.code).status_code == 200
    assert machine.http("/api/contents").status_code == 403
    assert machine.run("systemctl --failed --plain --no-legend").stdout == ""
    machine.power_cut()
