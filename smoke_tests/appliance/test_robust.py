"""What goes wrong in a semester: a lost code, a killed server, a kernel too large, a full disk."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator

import httpx
import pytest

from practicum.semester.description import Semester
from smoke_tests.jupyter import Jupyter, make_notebook
from smoke_tests.qemu import Machine
from smoke_tests.saver import Saver, judge_saved, wait_for_saves
from smoke_tests.waiting import wait_until

CODE_FILE = "/var/lib/course/access-code"
START_TIMEOUT = 1200  # seconds, a net: Jupyter alone starts in some 20, emulated on idle cores
ATTEMPTS = 1  # kills of the server in the middle of saves: each costs a start of the server; a container's has four

DEATHS = ("restarting", "dead")
HOARD = """
import os
block = os.urandom(64 << 20)  # does not compress: swap in compressed memory is no way out
hoard = []
while True:
    hoard.append(bytearray(block))
"""


def server_pid(machine: Machine) -> str:
    return machine.run("systemctl show --property=MainPID --value jupyter").stdout.strip()


def answers(machine: Machine) -> bool:
    """Whether Jupyter answers its own user."""
    try:
        return machine.http("/api/status", machine.code).status_code == 200
    except httpx.TransportError:
        return False


def wait_answer(machine: Machine) -> None:
    wait_until(lambda: answers(machine), "an answer of Jupyter", START_TIMEOUT, pause=0.5)


@pytest.fixture
def jupyter_answers(machine: Machine) -> None:
    """Return what an earlier test broke must not fail the next one."""
    wait_answer(machine)


# the code


@pytest.fixture(scope="class")
def restore_code(machine: Machine) -> Iterator[None]:
    code = machine.code
    yield
    machine.sudo(f"printf %s {code} > {CODE_FILE}; chown root:{machine.user} {CODE_FILE}; chmod 0640 {CODE_FILE}")
    machine.sudo("systemctl restart jupyter")
    wait_answer(machine)


@pytest.mark.usefixtures("restore_code")
class TestDamagedCode:
    @pytest.mark.parametrize(
        "damage, reason",
        [
            (f": > {CODE_FILE}", "empty"),
            (f'echo "$CODE" > {CODE_FILE}', "line break"),
            (f'printf %s "$CODE" > {CODE_FILE}; chmod 0666 {CODE_FILE}', "mode"),
            (f"rm {CODE_FILE}", "missing"),
        ],
        ids=["emptied", "line-break", "writable", "removed"],
    )
    def test_jupyter_stays_shut_without_a_valid_code(self, machine: Machine, damage: str, reason: str) -> None:
        """An empty token would open Jupyter to everybody: it must not start, and the window must say why."""
        shown = len(machine.console)
        machine.sudo(f"CODE={machine.code}; systemctl stop jupyter; {damage}; ! systemctl start jupyter")
        machine.wait_serial(rf"^ *Status +STOPPED: .*({reason})", START_TIMEOUT, since=shown)
        refused = machine.run("journalctl -u jupyter -n 20 -o cat").stdout
        # systemd itself refuses a service whose secret is missing, before the gate runs.
        assert "course-access" in refused or "at step CREDENTIALS" in refused
        assert "8888" not in machine.run("ss --no-header --listening --tcp --numeric").stdout
        with pytest.raises(httpx.TransportError):
            machine.http("/api")


# the server


@pytest.fixture
def saver(jupyter: Jupyter, semester: Semester, jupyter_answers: None) -> Iterator[Saver]:
    path = f"{semester.course.slug}/smoke-saves.ipynb"
    saver = Saver(jupyter, path)
    saver.start()
    yield saver
    saver.stopped.set()
    saver.join(60)
    jupyter.delete(path)


def test_no_acknowledged_save_is_lost_when_the_server_is_killed(machine: Machine, saver: Saver) -> None:
    phase = random.Random(559)
    for _ in range(ATTEMPTS):
        wait_for_saves(saver, 2, START_TIMEOUT)
        time.sleep(phase.uniform(0, 1))  # another moment of the save each time
        pid, safe = server_pid(machine), saver.acknowledged
        machine.sudo(f"kill -9 {pid}")
        judge_saved(machine.run(f"cat ~/{saver.path}").stdout, safe, saver.attempted)
        wait_answer(machine)
        assert server_pid(machine) not in (pid, "0")
    wait_for_saves(saver, 1, START_TIMEOUT)


@pytest.fixture
def little_memory(machine: Machine) -> Iterator[None]:
    """Leave half a gigabyte of the machine's memory: to fill all of it takes an emulated processor minutes."""
    available = r"$(awk '/^MemAvailable/ {print $2}' /proc/meminfo)"
    machine.sudo(f"sysctl --quiet vm.nr_hugepages=$((({available} - 524288) / 2048))")
    yield
    machine.sudo("sysctl --quiet vm.nr_hugepages=0")


@pytest.mark.usefixtures("jupyter_answers", "little_memory")
def test_kernel_without_memory_dies_alone(
    machine: Machine, jupyter: Jupyter, capsys: pytest.CaptureFixture[str]
) -> None:
    before = server_pid(machine)
    with jupyter.start_kernel() as kernel:
        assert kernel.execute("print('alive')", timeout=START_TIMEOUT).text == "alive\n"
        begun = time.monotonic()
        try:
            assert kernel.execute(HOARD, timeout=1800).status in DEATHS
        except ConnectionError:  # the machine stalled too long for the server; a browser connects again, too
            kernel.connect()
            found = kernel.execute("print('hoard' in globals())", timeout=1800)
            assert found.status in DEATHS or found.text == "False\n"
        with capsys.disabled():
            print(f"\n  a kernel without memory ended after {time.monotonic() - begun:.0f} s, emulated")
        assert server_pid(machine) == before
        assert machine.http("/api/status", machine.code).status_code == 200
        assert kernel.execute("print('alive again')", timeout=START_TIMEOUT).text == "alive again\n"
    assert "jupyter" not in machine.run("systemctl --failed --plain --no-legend").stdout


# the disk


@pytest.fixture
def full_disk(machine: Machine) -> Iterator[None]:
    """Take all the space a student can take."""
    available = "df --output=avail --block-size=1 ~ | tail -n 1"
    machine.run(f"fallocate -l $(($({available}) - 1048576)) ~/filler", timeout=START_TIMEOUT)
    machine.run("dd if=/dev/zero of=~/rest bs=64k; dd if=/dev/zero of=~/crumbs bs=1k", timeout=START_TIMEOUT)
    assert machine.run(available).stdout.strip() == "0"
    yield
    machine.run("rm -f ~/filler ~/rest ~/crumbs", timeout=START_TIMEOUT)


@pytest.mark.usefixtures("jupyter_answers")
def test_full_disk_is_said_and_costs_nothing(
    machine: Machine, jupyter: Jupyter, semester: Semester, request: pytest.FixtureRequest
) -> None:
    path = f"{semester.course.slug}/smoke-full.ipynb"
    jupyter.save(path, make_notebook("x = 1")).raise_for_status()
    shown = len(machine.console)
    request.getfixturevalue("full_disk")
    refused = jupyter.save(path, make_notebook("x = 2", "#" * 100_000))
    assert refused.status_code >= 400
    assert re.search(r"No space left|disk is full", refused.json()["message"])
    assert jupyter.load(path)["cells"][0]["source"] == "x = 1"
    machine.wait_serial(r"^ *Warning +disk \d+ % full", START_TIMEOUT, since=shown)
    machine.run("rm ~/filler", timeout=START_TIMEOUT)
    jupyter.save(path, make_notebook("x = 3")).raise_for_status()
    assert jupyter.load(path)["cells"][0]["source"] == "x = 3"
    jupyter.delete(path)
