"""What a student meets after starting the machine: the window, the address, the code, the course's files."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import httpx
import paramiko
import pytest

from practicum.semester.description import Semester
from smoke_tests.appliance.identity import Identity
from smoke_tests.guest import PATIENCE
from smoke_tests.jupyter import judge_answers_without_credential
from smoke_tests.qemu import Machine

CODE = re.compile(r"[a-kmnp-z2-9]{4}-[a-kmnp-z2-9]{4}-[a-kmnp-z2-9]{4}")


def test_console_says_what_to_do(machine: Machine, semester: Semester, build: Path) -> None:
    course, appliance = semester.course, semester.appliance
    content = f"content {semester.content.release}"
    title = f"{course.code} {course.title}, {course.semester}, {content} ({course.institution})"
    issue = machine.issue
    assert title in machine.console
    assert CODE.fullmatch(machine.code)
    assert issue["JupyterLab"] == f"http://localhost:{appliance.jupyter_port}"
    assert issue["Access code"] == machine.code
    assert issue["Link"] == f"http://localhost:{appliance.jupyter_port}/lab?token={machine.code}"
    assert "Address" not in issue, "behind NAT, ports of this host lead in"
    assert issue["ssh"] == f"ssh -p {appliance.ssh_port} {appliance.user}@localhost"
    assert issue["Keyboard"] == "set-kbd"
    assert issue["Stop"].startswith("bye")
    assert issue["Status"] == "ready"
    assert "Warning" not in issue, issue["Warning"]


def test_code_and_status_stand_out(machine: Machine) -> None:
    """In bold and in green; `machine.console` is without colours."""
    shown = machine.log.read_text(errors="replace")
    assert f"\x1b[1m{machine.code}\x1b[0m" in shown
    assert "\x1b[1;32mready\x1b[0m" in shown


def test_code_opens_jupyterlab(machine: Machine) -> None:
    assert machine.http("/api/contents", machine.code).status_code == 200
    link = machine.http(f"/lab?token={machine.code}")
    assert link.status_code in (200, 302) and "/login" not in link.headers.get("location", "")
    with httpx.Client(base_url=machine.url, trust_env=False, timeout=PATIENCE, follow_redirects=True) as browser:
        page = browser.get("/lab", params={"token": machine.code})
        assert page.status_code == 200 and "jupyter-config-data" in page.text
        cookie = page.headers.get("set-cookie", "") or page.history[0].headers.get("set-cookie", "")
        assert "samesite=strict" in cookie.lower(), f"another site could use the login: {cookie}"


def test_what_answers_without_the_code(machine: Machine) -> None:
    judge_answers_without_credential(machine.http)


@pytest.mark.parametrize("token", ["None", "aaaa-aaaa-aaaa", ""])
def test_wrong_code_is_refused(machine: Machine, token: str) -> None:
    assert machine.http("/api/contents", token).status_code == 403
    assert machine.http(f"/api/contents?token={token}").status_code == 403


@pytest.mark.parametrize(
    "host, status", [("localhost:8888", 200), ("127.0.0.1:8888", 200), ("evil.example", 403), ("10.0.2.15:8888", 403)]
)
def test_host_header_must_be_local(machine: Machine, host: str, status: int) -> None:
    """Else a web page could reach JupyterLab through a name that it points at the student's own machine."""
    assert machine.http("/api/contents", machine.code, headers={"Host": host}).status_code == status


def test_ssh_takes_the_code_only(machine: Machine) -> None:
    machine.ssh().close()
    for user, password in ((machine.user, "student"), (machine.user, machine.code + "x"), ("root", machine.code)):
        with pytest.raises(paramiko.AuthenticationException):
            machine.ssh(user, password)


def test_console_shows_the_host_key_of_ssh(machine: Machine) -> None:
    """So that the question of the first ssh connection can be answered. The page waits for no key."""
    fingerprint = machine.run("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").stdout.split()[1]
    machine.wait_serial(rf"^ *Host key +{re.escape(fingerprint)} ", PATIENCE)


def test_sudo_asks_except_for_stopping(machine: Machine) -> None:
    assert machine.run("sudo -n true").returncode != 0
    free = [line.strip() for line in machine.run("sudo -n -l").stdout.splitlines() if "NOPASSWD" in line]
    assert free == ["(root) NOPASSWD: /usr/bin/systemctl poweroff"]
    assert machine.sudo("id -u") == "0\n"


def test_content_is_in_the_home_folder(machine: Machine, semester: Semester) -> None:
    manifest = json.loads(machine.run("cat /opt/course/content/manifest.json").stdout)["files"]
    listed = machine.run(f"cd ~/{semester.course.slug} && find . -type f -printf '%P\\n'").stdout.splitlines()
    assert manifest and manifest.keys() <= set(listed)
    config = json.loads(
        re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', machine.http("/lab", machine.code).text, re.DOTALL)[
            1
        ]
    )
    assert config["preferredPath"].strip("/") == semester.course.slug


DOCTOR = """
from course_runtime.doctor import cli, machine_checks
machine_checks.CHECKS = [check for check in machine_checks.CHECKS if check is not machine_checks.check_torch]
cli.main()
"""
"""What course-doctor does, without importing torch, for which test_tree.py asks it: it takes the emulator long."""


def test_doctor_finds_nothing_wrong(machine: Machine) -> None:
    done = machine.run(f"/opt/venv/bin/python -c {shlex.quote(DOCTOR)}")
    assert done.returncode == 0 and "torch works" not in done.stdout, done.output
    assert "port" in done.stdout and "clock" in done.stdout, done.output


def test_identity_is_complete(identity: Identity) -> None:
    assert CODE.fullmatch(identity.code)


def test_console_screenshot(machine: Machine, build: Path) -> None:
    if any("ramfb" in device for device in machine.hardware.devices):
        pytest.skip("QEMU 7.2 does not keep what ramfb, this machine's video card, shows when a machine is saved")
    picture = machine.screendump(build / "screenshots" / "console.png")
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 2000


def test_keyboard_menu_ends_by_itself_and_holds_nothing_up(machine: Machine) -> None:
    """Nobody answers at the window of this machine: after a minute the layout is US, JupyterLab was ready before."""
    waiting = "until test -s /var/lib/course/keyboard; do sleep 1; done; cat /var/lib/course/keyboard"
    assert machine.run(f"timeout 900 sh -c '{waiting}'").stdout == "us\n"
    shown = machine.run("systemctl show --property=Result,ActiveEnterTimestampMonotonic course-keyboard jupyter").stdout
    keyboard, jupyter = (dict(line.split("=") for line in unit.splitlines()) for unit in shown.strip().split("\n\n"))
    assert keyboard["Result"] == "success"
    entered = "ActiveEnterTimestampMonotonic"
    assert int(keyboard[entered]) == 0 or int(jupyter[entered]) < int(keyboard[entered])


CUT_WHILE_COMPILING = """
setsid set-kbd ch-fr >/dev/null &
until grep -q 'XKBLAYOUT="ch"' /etc/default/keyboard; do sleep 0.1; done
kill -KILL -$!
"""


def test_keyboard_is_set_by_a_command_that_was_cut_before(machine: Machine) -> None:
    compiled = "zcat /etc/console-setup/cached_UTF-8_del.kmap.gz | sha256sum; cat /var/lib/course/keyboard"
    before = machine.run(compiled).stdout
    machine.sudo(CUT_WHILE_COMPILING)
    assert machine.run("cat /var/lib/course/keyboard").stdout == "us\n"
    told = machine.sudo("set-kbd ch-fr")
    assert "Compiling the layout" in told and "Keyboard: ch-fr" in told
    written = machine.run("cat /etc/default/keyboard").stdout
    assert 'XKBLAYOUT="ch"' in written and 'XKBVARIANT="fr"' in written
    after = machine.run(compiled).stdout
    assert after.endswith("ch-fr\n") and after.split()[0] != before.split()[0]
    assert machine.run("test ! -e /var/lib/course/keyboard.pending").returncode == 0
