"""A first boot that is cut, again and again, ends in the same valid state."""

from __future__ import annotations

import time

from smoke_tests.appliance.conftest import READY_TIMEOUT
from smoke_tests.appliance.identity import read_identity
from smoke_tests.qemu import Machine

# Shares of the time in which an undisturbed first boot gets to showing its code: unpacking the kernel's file system,
# growing the disk, making the code, making the ssh keys.
MOMENTS = (0.6, 0.8, 0.95)


def test_first_boot_cut_at_many_moments(machine: Machine, new_machine) -> None:
    """One machine loses its power four times, each time later in its first boot; the last time its console has just
    shown a code, and a code that was shown must stay."""
    machine.power_cut()  # two emulated machines at once would only slow each other down
    assert machine.code_after
    with new_machine("power-cut") as cut:
        for share in MOMENTS:
            wait_until(cut.started + share * machine.code_after)
            cut.power_cut()
            cut.power_on()
        promised = cut.code
        cut.power_cut()
        cut.power_on()
        cut.wait_ready(READY_TIMEOUT)
        assert cut.issue["Access code"] == promised
        identity = read_identity(cut)  # over ssh, so the password and the host keys are good
        assert identity.code == promised
        assert cut.http("/api/contents", promised).status_code == 200
        assert cut.http("/api/contents").status_code == 403
        assert cut.run("stat -c %a:%U /var/lib/course/access-code").stdout == "640:root\n"
        assert cut.run("wc -c < /var/lib/course/access-code").stdout.strip() == str(len(promised))
        assert cut.run("test -s /var/lib/course/firstboot.done && echo yes").stdout == "yes\n"
        assert cut.run("systemctl --failed --plain --no-legend").stdout == ""
        assert cut.sudo("id -u") == "0\n"


def wait_until(moment: float) -> None:
    """`moment` as time.monotonic() counts; here the time itself is what is tested."""
    time.sleep(max(0, moment - time.monotonic()))
