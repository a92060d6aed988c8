"""A second machine of the same disk, under UEFI, that lost its power in its first boot, ends in the same valid state.

It shares no secret with the first.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator

import httpx
import paramiko
import pytest

from practicum.architecture import Architecture
from practicum.semester.description import Semester
from smoke_tests.appliance.conftest import MakeMachine
from smoke_tests.appliance.identity import Identity, read_identity
from smoke_tests.guest import PATIENCE
from smoke_tests.processor import PROCESSORS
from smoke_tests.qemu import Machine, Progress
from smoke_tests.saved_machine import SavedMachine
from smoke_tests.waiting import wait_until

SHARE = 0.9
"""Share of the CPU time in which an undisturbed first boot gets to showing its code: the disk has grown by then, and
the code is being made. Before, nothing is written."""


@pytest.fixture(scope="module")
def clone(
    saved: SavedMachine, new_machine: MakeMachine, semester: Semester, architecture: Architecture
) -> Iterator[Machine]:
    """Give a machine that lost its power late in its first boot and was started again."""
    uefi = PROCESSORS[architecture].find_firmware() is not None
    with new_machine("second", uefi=uefi) as second:
        cut_at(second, SHARE * saved.boot["code"])
        second.cpus = semester.appliance.cpus
        second.power_on()
        second.wait_ready()
        yield second


def cut_at(machine: Machine, cpu: float) -> None:
    """Cut the power once QEMU has spent `cpu` CPU seconds, or its console shows the code: the same boot costs less CPU
    time where fewer neighbours disturb it."""
    progress = Progress(machine)
    while machine.cpu_seconds < cpu and "Access code" not in machine.issue:
        assert not progress.has_stalled(), f"{machine.name} stalled after {machine.cpu_seconds:.0f} CPU s"
        time.sleep(0.05)
    machine.power_cut()


def test_first_boot_is_whole_after_all(clone: Machine) -> None:
    assert clone.run("stat -c %a:%U /var/lib/course/access-code").stdout == "640:root\n"
    assert clone.run("wc -c < /var/lib/course/access-code").stdout.strip() == str(len(clone.code))
    assert clone.run("test -s /var/lib/course/firstboot.done && echo yes").stdout == "yes\n"
    assert clone.run("systemctl --failed --plain --no-legend").stdout == ""
    assert clone.sudo("id -u") == "0\n"


def test_code_of_the_console_is_in_force(clone: Machine) -> None:
    """Everywhere: the window, ssh (so the password and the host key is good), JupyterLab."""
    shown = set(re.findall(r"^ *Access code +(\S+)", clone.console, re.MULTILINE))
    assert shown == {clone.code}
    assert read_identity(clone).code == clone.code
    assert clone.http("/api/contents", clone.code).status_code == 200
    assert clone.http("/api/contents").status_code == 403


def test_boots_under_uefi(clone: Machine) -> None:
    if not clone.uefi:
        pytest.skip("no UEFI firmware on this machine: apt-get install ovmf")
    assert clone.run("test -d /sys/firmware/efi && echo yes").stdout == "yes\n"


def test_two_machines_share_no_secret(clone: Machine, identity: Identity) -> None:
    other = read_identity(clone)
    assert other.code != identity.code
    assert other.machine_id != identity.machine_id
    assert other.host_key != identity.host_key
    assert clone.http("/api/contents", identity.code).status_code == 403


PASSWORD = "seen-over-a-shoulder"
STORED = {
    "IdentityProvider": {"hashed_password": f"sha256:ab:{hashlib.sha256(f'{PASSWORD}ab'.encode()).hexdigest()}"},
    "FileContentsManager": {"delete_to_trash": False},
}
SETTINGS = "~/.jupyter/jupyter_server_config.json"


def is_in(machine: Machine, token: str) -> bool:
    """Whether the token opens JupyterLab; False while it restarts."""
    try:
        return machine.http("/api/contents", token).status_code == 200
    except httpx.TransportError:
        return False


def open_browser(machine: Machine) -> httpx.Client:
    return httpx.Client(base_url=machine.url, trust_env=False, timeout=PATIENCE)


def log_in(browser: httpx.Client, password: str) -> int:
    """Log in at the login page; the status of what the browser gets to see afterwards of the files."""
    browser.get("/login").raise_for_status()
    browser.post("/login", data={"password": password, "_xsrf": browser.cookies["_xsrf"]})
    return browser.get("/api/contents").status_code


def test_a_new_code_ends_every_other_way_in(clone: Machine) -> None:
    """Cookies, the old code, and a password that was stored in Jupyter's settings. Comes last: the code is another."""
    clone.run(f"mkdir -p ~/.jupyter && umask 077 && cat > {SETTINGS}", stdin=json.dumps(STORED))
    clone.sudo("systemctl restart jupyter")
    wait_until(lambda: is_in(clone, clone.code), "JupyterLab after its restart", pause=0.5)
    with open_browser(clone) as by_code, open_browser(clone) as by_password, open_browser(clone) as stranger:
        assert log_in(by_code, clone.code) == 200
        assert log_in(by_password, PASSWORD) == 200
        told = clone.sudo("course-access new")
        (new,) = re.findall(r"^New access code and password of \S+: (\S+)$", told, re.MULTILINE)
        wait_until(lambda: is_in(clone, new), "JupyterLab with the new code", pause=0.5)
        assert by_code.get("/api/contents").status_code == 403
        assert by_password.get("/api/contents").status_code == 403
        assert clone.http("/api/contents", clone.code).status_code == 403
        assert log_in(stranger, PASSWORD) == 403
        assert log_in(stranger, clone.code) == 403
        assert log_in(stranger, new) == 200
    kept = json.loads(clone.run(f"cat {SETTINGS}").stdout)
    assert kept == STORED | {"IdentityProvider": {}}
    assert clone.run(f"stat -c %a:%U {SETTINGS}").stdout == f"600:{clone.user}\n"
    clone.ssh(password=new).close()
    with pytest.raises(paramiko.AuthenticationException):
        clone.ssh(password=clone.code)
