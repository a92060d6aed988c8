"""A host that gives the machine a tenth of a core makes its boot slow, not lost; a lost boot says what to do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from smoke_tests.appliance.conftest import MakeMachine
from smoke_tests.qemu import BOOT_TIMEOUT, Machine
from smoke_tests.saved_machine import SavedMachine, go_on

SHARE = 0.1
"""Of one core. The emulated boot takes some 90 CPU seconds, on a crowded host up to 250."""

EMERGENCY = r"^ *Status +STOPPED: the machine could not start.*$"
AGAIN_TIMEOUT = 1800  # seconds, to end a hang: the machine waits one minute between its attempts

DAMAGE = """
umount --lazy /opt/venv
dd if=/dev/zero of=/dev/disk/by-partlabel/python bs=4096 count=1
systemctl --no-block isolate emergency.target
"""
"""Spoils Python's file system, and leaves the machine as a boot that failed does."""


@pytest.mark.timeout(2 * BOOT_TIMEOUT)
def test_a_boot_on_a_tenth_of_a_core_is_slow_and_ready(
    new_machine: MakeMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    if os.environ.get("PROOF_SLOW_HOST") != "1":
        pytest.skip(
            "takes a quarter of an hour and more: PROOF_SLOW_HOST=1 runs it; tests/test_slow_boot.py reads the limits"
        )
    with new_machine("slow-host") as machine:
        with limited_cpu(machine, SHARE):
            assert machine.code
            code_after = time.monotonic() - machine.started
            machine.wait_ready()
            ready_after = time.monotonic() - machine.started
            assert machine.cpu_seconds < 1.2 * SHARE * ready_after, "the machine had more than a tenth of a core"
        assert machine.http("/api/contents", machine.code).status_code == 200
        assert machine.run("systemctl --failed --plain --no-legend").stdout == ""
        spent = machine.cpu_seconds
    with capsys.disabled():
        print(
            f"\n  the code after {code_after:.0f} s, ready after {ready_after:.0f} s, {spent:.0f} CPU s of QEMU in all"
        )


def test_a_lost_boot_says_what_to_do_and_starts_again(
    saved: SavedMachine, new_machine: MakeMachine, build: Path
) -> None:
    """A machine that is already booted gets to emergency mode sooner; going on from there fails as a boot does."""
    with go_on(saved, new_machine, "lost") as machine:
        before = len(machine.console)
        machine.sudo(DAMAGE)
        asked = machine.wait_serial(EMERGENCY, AGAIN_TIMEOUT, since=before)
        failed = machine.wait_serial(EMERGENCY, AGAIN_TIMEOUT, since=asked.end())
        assert "opt-venv.mount" in failed[0]
        machine.screendump(build / "screenshots" / "emergency.png")
        # Now by a new start: QEMU ends there, as its command line says.
        machine.wait_poweroff(AGAIN_TIMEOUT)
    shown = machine.console[before:]
    assert "switch the machine off and on" in shown
    assert "reboot: Restarting system" in shown
    assert "root account is locked" not in shown


@contextmanager
def limited_cpu(machine: Machine, share: float) -> Iterator[None]:
    """Give QEMU `share` of one core, by a cgroup of either version; skips where this user may not make one."""
    pid, period = machine.pid, 100_000
    root = Path("/sys/fs/cgroup")
    is_v2 = (root / "cgroup.controllers").exists()
    parent = root if is_v2 else root / "cpu"
    group = parent / f"practicum-slow-host-{time.time_ns():x}"
    quota = int(share * period)
    settings = {"cpu.max": f"{quota} {period}"} if is_v2 else {"cpu.cfs_period_us": period, "cpu.cfs_quota_us": quota}
    try:
        if is_v2:
            (root / "cgroup.subtree_control").write_text("+cpu")
        group.mkdir()
        for name, value in settings.items():
            (group / name).write_text(str(value))
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        pytest.skip(f"this user may not limit a process's CPU: {error}")
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            (parent / "cgroup.procs").write_text(str(pid))
        group.rmdir()
