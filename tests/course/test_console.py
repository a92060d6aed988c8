"""The machine's own window."""

import base64
import hashlib
import io
import ipaddress
import os
import pty
import re
import shutil
from collections import namedtuple
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from course_runtime.machine import access_code, console, content_number
from course_runtime.machine.machine import Finished, list_addresses
from fake_machine import Fixture, make_machine


def test_the_text_is_what_the_student_needs(booted: Fixture) -> None:
    code = access_code.read_code(booted.machine, booted.course)
    key = base64.b64decode(booted.path("/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[1] + "==")
    fingerprint = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
    assert console.describe_machine(booted.machine, booted.course).text.splitlines() == [
        "EE-559 Deep Learning, 2027-spring (EPFL)",
        "  JupyterLab   http://localhost:8888",
        f"  Access code  {code}",
        f"  Link         http://localhost:8888/lab?token={code}",
        "  ssh          ssh -p 2022 student@localhost",
        "  Keyboard     set-kbd",
        "  Stop         bye   (in a notebook: !bye)",
        "  Status       ready",
        f"  Host key     SHA256:{fingerprint} (ED25519)",
    ]


def test_it_shows_the_number_of_the_content_release(booted: Fixture) -> None:
    def show() -> str:
        return console.describe_machine(booted.machine, booted.course).title

    booted.path("/opt/course/content").mkdir(parents=True)
    booted.path(content_number.MANIFEST).write_text('{"version": 1, "release": 1, "files": {}}')
    assert show() == "EE-559 Deep Learning, 2027-spring, content 1 (EPFL)"
    content_number.write_number(booted.machine, 12)
    assert show() == "EE-559 Deep Learning, 2027-spring, content 12 (EPFL)"
    told = booted.path(content_number.FILE)
    for text in ("", "x", "-3", "9" * 5000):
        told.write_text(text)
        assert "\n" not in show() and len(show()) < 70, "the student's file, whatever is in it"
    for spoil in (lambda: told.symlink_to("/etc/passwd"), lambda: os.mkfifo(told), told.mkdir):
        told.unlink()
        spoil()
        assert show().endswith(", content 1 (EPFL)")


def test_it_shows_the_ports_of_the_host(tmp_path: Path) -> None:
    fixture = make_machine(tmp_path / "root", jupyter_port=9999, ssh_port=2222)
    text = console.describe_machine(fixture.machine, fixture.course).text
    assert "  JupyterLab   http://localhost:9999\n" in text
    assert "ssh -p 2222 " in text


def test_it_shows_how_to_get_in_by_an_address(tmp_path: Path) -> None:
    """Behind NAT there is no such line: ports of the student's computer lead in."""
    fixture = make_machine(tmp_path / "root", jupyter_port=9999, ssh_port=2222)
    machine = replace(fixture.machine, addresses=lambda: ["10.0.2.15", "192.168.56.10"])
    lines = console.describe_machine(machine, fixture.course).text.splitlines()
    assert [line for line in lines if "Address" in line] == [
        "  Address      192.168.56.10   (JupyterLab: ssh -L 9999:localhost:8888 student@192.168.56.10,"
        " then the address above)"
    ]


def test_addresses_are_those_of_the_network_cards() -> None:
    found = list_addresses()
    cards = [path.parent.name for path in Path("/sys/class/net").glob("*/device")]
    assert len(found) <= len(cards)
    assert "127.0.0.1" not in found
    assert all(str(ipaddress.IPv4Address(address)) == address for address in found)


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


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("active", "\\e{lightgreen}ready\\e{reset}"),
        ("activating", "\\e{yellow}starting\\e{reset}"),
        ("failed", "\\e{lightred}STOPPED: JupyterLab failed, see journalctl -u jupyter"),
    ],
)
def test_code_and_status_stand_out_on_the_console_only(booted: Fixture, state: str, shown: str) -> None:
    booted.system.unit["ActiveState"] = state
    console.refresh(booted.machine)
    issue = booted.path(console.ISSUE).read_text()
    assert f"  Status       {shown}" in issue
    assert f"  Access code  \\e{{bold}}{access_code.read_code(booted.machine, booted.course)}\\e{{reset}}\n" in issue
    assert issue.count("\\e{reset}") == 2
    assert "\\e" not in console.describe_machine(booted.machine, booted.course).text


def test_agetty_shows_the_page_in_colour(booted: Fixture, tmp_path: Path) -> None:
    """The real agetty, on a terminal of its own."""
    agetty = shutil.which("agetty", path="/sbin:/usr/sbin")
    if not agetty:
        pytest.skip("no agetty on this machine")
    console.refresh(booted.machine)
    child, terminal = pty.fork()
    if child == 0:
        os.execv(agetty, [agetty, "--show-issue", "--issue-file", str(booted.path(console.ISSUE))])
    with os.fdopen(terminal, "rb", buffering=0) as shown:
        text = b"".join(iter(lambda: read_terminal(shown), b"")).decode()
    assert os.waitpid(child, 0)[1] == 0
    assert "  Status       \x1b[1;32mready\x1b[0m\r\n" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r\n", "\n")
    assert plain == f"\n{console.describe_machine(booted.machine, booted.course).text}\n"


def read_terminal(terminal: io.FileIO) -> bytes:
    """The next bytes; none when the program on the terminal has ended."""
    try:
        return terminal.read(4096) or b""
    except OSError:
        return b""


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


@pytest.mark.parametrize(("took", "pause"), [(0.1, 10), (4, 20), (20, 30)])
def test_a_slow_machine_is_asked_less_often_while_jupyterlab_starts(took: float, pause: float) -> None:
    assert console.choose_pause(took) == pause


class Enough(Exception):
    """The watch has been seen for long enough."""


@dataclass
class FakeTime:
    """Time that passes only while somebody sleeps, until `limit` seconds have passed."""

    limit: float
    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        if self.now > self.limit:
            raise Enough


def watch(booted: Fixture, monkeypatch: pytest.MonkeyPatch, starts_at: float, limit: float) -> FakeTime:
    """Watch a JupyterLab that answers from `starts_at` on, for `limit` seconds."""
    clock = FakeTime(limit)
    monkeypatch.setattr(console, "time", clock)
    machine = replace(booted.machine, probe=lambda port, path: (200 if clock.now >= starts_at else 0, ""))
    with pytest.raises(Enough):
        console.watch(machine)
    return clock


def count_looks(booted: Fixture) -> int:
    return sum(argv[0] == "systemctl" for argv in booted.system.asked)


def test_a_start_costs_few_programs_and_is_seen_at_once(booted: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(booted, monkeypatch, starts_at=24.5, limit=26)
    assert count_looks(booted) == 4, "at 0, 10, 20 and 25 s"
    assert "ready" in booted.path(console.ISSUE).read_text()


def test_a_server_that_serves_is_looked_at_at_leisure(booted: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = watch(booted, monkeypatch, starts_at=0, limit=90)
    assert set(clock.slept) == {console.LEISURE}


def test_who_else_answers_is_no_reason_for_haste(booted: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit failed, and another program has the port."""
    booted.system.unit["ActiveState"] = "failed"
    watch(booted, monkeypatch, starts_at=0, limit=60)
    assert count_looks(booted) <= 8
