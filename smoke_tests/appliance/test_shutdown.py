"""`bye` ends the machine in order; what the student has is there after the next start."""

from __future__ import annotations

import pytest

from practicum.semester.description import Semester
from smoke_tests.appliance.identity import Identity, read_identity
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


def test_second_start_keeps_code_and_home(machine: Machine, identity: Identity, semester: Semester) -> None:
    machine.power_on()
    machine.wait_ready()
    assert machine.issue["Access code"] == identity.code
    assert read_identity(machine) == identity
    assert machine.run(f"cat ~/{semester.course.slug}/smoke-kept.txt").stdout == "kept\n"
    assert machine.http("/api/contents", identity.code).status_code == 200
    assert machine.http("/api/contents").status_code == 403
    assert machine.run("systemctl --failed --plain --no-legend").stdout == ""
    stopped = machine.run("journalctl --boot=-1 --no-pager --output=cat --lines=200").stdout
    assert "timed out" not in stopped.lower(), "something had to be killed at the stop"
