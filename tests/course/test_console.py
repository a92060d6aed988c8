"""The machine's own window."""

import base64
import hashlib
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from course_runtime.machine import access_code, console
from course_runtime.machine.machine import Finished
from fake_machine import Fixture, make_machine


def test_the_text_is_what_the_student_needs(booted: Fixture) -> None:
    code = access_code.read_code(booted.machine, booted.course)
    key = base64.b64decode(booted.path("/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[1] + "==")
    fingerprint = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
    assert console.describe_machine(booted.machine, booted.course).text.splitlines() == [
        "EE-559 Deep Learning, 2027-spring (EPFL)",
        f"  JupyterLab   http://localhost:8888/lab?token={code}",
        f"  Access code  {code}",
        "  ssh          ssh -p 2022 student@localhost",
        "  Keyboard     set-kbd",
        "  Stop         bye   (in a notebook: !bye)",
        "  Status       ready",
        f"  Host key     SHA256:{fingerprint} (ED25519)",
    ]


def test_it_shows_the_ports_of_the_host(tmp_path: Path) -> None:
    fixture = make_machine(tmp_path / "root", jupyter_port=9999, ssh_port=2222)
    text = console.describe_machine(fixture.machine, fixture.course).text
    assert "http://localhost:9999/lab" in text
    assert "ssh -p 2222 " in text


@pytest.mark.parametrize(
    ("unit", "answer", "status"),
    [
        ({"ActiveState": "active", "Job": "0"}, 200, "ready"),
        ({"ActiveState": "active", "Job": "0"}, 0, "starting"),
        ({"ActiveState": "active", "Job": "0"}, 503, "starting"),
        ({"ActiveState": "activating", "Job": "81"}, 0, "starting"),
        ({"ActiveState": "inactive", "Job": "81"}, 0, "starting"),
        ({"ActiveState": "activating", "Job": "0", "NRestarts": "3"}, 0, "starting (failed 3 times"),
        ({"ActiveState": "inactive", "Job": "0"}, 0, "STOPPED: JupyterLab does not run"),
        ({"ActiveState": "failed", "Job": "0"}, 0, "STOPPED: JupyterLab failed"),
        ({"ActiveState": "failed", "Job": "0"}, 200, "STOPPED: JupyterLab failed"),
    ],
)
def test_status_follows_the_service_and_its_answer(
    booted: Fixture, unit: dict[str, str], answer: int, status: str
) -> None:
    booted.system.unit = unit
    assert console.read_status(replace(booted.machine, probe=lambda port, path: (answer, ""))).startswith(status)


def test_an_invalid_code_is_said_with_its_cure(booted: Fixture) -> None:
    booted.path(access_code.CODE_FILE).write_bytes(b"")
    text = console.describe_machine(booted.machine, booted.course).text
    assert "  Status       STOPPED: " in text
    assert "is empty: restart the machine or run: sudo course-access new" in text
    assert "token=" not in text
    assert "  Access code  not valid\n" in text


def test_open_access_is_said_loudly(tmp_path: Path) -> None:
    classroom = make_machine(tmp_path / "root", access="open")
    text = console.describe_machine(classroom.machine, classroom.course).text
    assert "  Warning      OPEN ACCESS: " in text
    assert "token=" not in text


@pytest.mark.parametrize(("free", "warned"), [(20, False), (10, False), (9, True), (0, True)])
def test_a_full_disk_is_said(booted: Fixture, monkeypatch: pytest.MonkeyPatch, free: int, warned: bool) -> None:
    disk = namedtuple("disk", "f_blocks f_bfree f_bavail")
    monkeypatch.setattr("os.statvfs", lambda path: disk(105, free + 5, free))
    text = console.describe_machine(booted.machine, booted.course).text
    assert (f"  Warning      disk {100 - free} % full" in text) == warned


def test_refresh_writes_only_what_changed_and_tells_agetty(booted: Fixture) -> None:
    assert console.refresh(booted.machine)
    assert booted.system.asked[-1] == ["agetty", "--reload"]
    asked = len(booted.system.asked)
    assert not console.refresh(booted.machine)
    assert ["agetty", "--reload"] not in booted.system.asked[asked:]
    booted.system.unit["ActiveState"] = "failed"
    assert console.refresh(booted.machine)
    assert "STOPPED" in booted.path(console.ISSUE).read_text()


def test_agetty_is_given_no_sequences_to_expand(tmp_path: Path) -> None:
    fixture = make_machine(tmp_path / "root", title="A\\n \\4{eth0}\x1b[2J")
    console.refresh(fixture.machine)
    text = fixture.path(console.ISSUE).read_text()
    assert "A\\\\n \\\\4{eth0}[2J" in text
    assert "\x1b" not in text


def test_a_machine_that_is_too_busy_to_answer_is_not_said_to_have_stopped(booted: Fixture) -> None:
    booted.system.answers["systemctl"] = Finished(124, "systemctl took more than 10 s")
    assert console.read_status(booted.machine) == "busy: the machine has not answered for 10 s"


def test_without_systemctl_the_status_is_no_lie(booted: Fixture) -> None:
    booted.system.answers["systemctl"] = Finished(127, "systemctl is not installed")
    assert console.read_status(booted.machine).startswith("STOPPED: systemctl does not answer")


@pytest.mark.parametrize(("took", "pause"), [(0.1, 2), (2, 10), (20, 30)])
def test_a_slow_machine_is_asked_less_often_while_jupyterlab_starts(took: float, pause: float) -> None:
    assert console.choose_pause(took) == pause
