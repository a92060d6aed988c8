"""A second machine of the same disk, under UEFI, cut again and again in its first boot, ends in the same valid state.

It shares no secret with the first.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from smoke_tests.appliance.conftest import READY_TIMEOUT
from smoke_tests.appliance.identity import Identity, read_identity
from smoke_tests.qemu import Machine, find_firmware

# Shares of the time in which an undisturbed first boot gets to showing its code: growing the disk, making the code and
# the ssh keys. Before them, nothing is written.
MOMENTS = (0.7, 0.9)


@pytest.fixture(scope="module")
def clone(machine: Machine, identity: Identity, new_machine) -> Iterator[Machine]:
    """It lost its power in its first boot, each time later; the last time its console had just shown a code."""
    machine.power_cut()  # two emulated machines at once would only slow each other down
    assert machine.code_after
    with new_machine("second", uefi=find_firmware() is not None) as second:
        for share in MOMENTS:
            wait_until(second.started + share * machine.code_after)
            second.power_cut()
            second.power_on()
        assert second.code
        second.power_cut()
        second.power_on()
        second.wait_ready(READY_TIMEOUT)
        yield second


def test_a_code_that_was_shown_stays(clone: Machine) -> None:
    assert clone.issue["Access code"] == clone.code, "the code of the boot before"
    assert read_identity(clone).code == clone.code, "over ssh, so the password and the host keys are good"
    assert clone.http("/api/contents", clone.code).status_code == 200
    assert clone.http("/api/contents").status_code == 403


def test_first_boot_is_whole_after_all(clone: Machine) -> None:
    assert clone.run("stat -c %a:%U /var/lib/course/access-code").stdout == "640:root\n"
    assert clone.run("wc -c < /var/lib/course/access-code").stdout.strip() == str(len(clone.code))
    assert clone.run("test -s /var/lib/course/firstboot.done && echo yes").stdout == "yes\n"
    assert clone.run("systemctl --failed --plain --no-legend").stdout == ""
    assert clone.sudo("id -u") == "0\n"


def test_boots_under_uefi(clone: Machine) -> None:
    if not clone.uefi:
        pytest.skip("no UEFI firmware on this machine: apt-get install ovmf")
    assert clone.run("test -d /sys/firmware/efi && echo yes").stdout == "yes\n"


def test_two_machines_share_no_secret(clone: Machine, identity: Identity) -> None:
    other = read_identity(clone)
    assert other.code != identity.code
    assert other.machine_id != identity.machine_id
    assert not set(other.host_keys) & set(identity.host_keys)
    assert clone.http("/api/contents", identity.code).status_code == 403


def wait_until(moment: float) -> None:
    """`moment` as time.monotonic() counts; here the time itself is what is tested."""
    time.sleep(max(0, moment - time.monotonic()))
