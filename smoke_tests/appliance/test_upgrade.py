"""A power cut ends a kernel's upgrade, or its removal, at any moment: the machine starts with a complete kernel.

The new kernel is a copy of the running one in a package of its own, with the scripts of Debian's package. The upgrade
waits at each moment until the disk is copied as a power cut leaves it; then a machine boots from each copy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from smoke_tests.appliance.conftest import MakeMachine
from smoke_tests.qemu import BOOT_TIMEOUT, Machine
from smoke_tests.saved_machine import copy_overlay

UPGRADE_TIMEOUT = 3600
"""Seconds, a net, until the upgrade gets to a moment."""

pytestmark = pytest.mark.timeout(UPGRADE_TIMEOUT + BOOT_TIMEOUT)

MOMENTS = {
    "unpacked": "old",
    "links": "old",  # Debian's links are moved
    "initrd-begun": "old",
    "initrd-renamed": "old",  # complete, and maybe not on the disk
    "initrd-flushed": "old",
    "unlisted": "old",  # just before the new kernel is listed
    "listed": "new",
    "configured": "new",
    "dropped": "old",  # the new kernel is removed again: it has left the list
    "removed": "old",  # its files are gone
}
"""The moments of the cuts, in their order, and the kernel that starts afterwards."""

PROVEN = ("links", "configured")
ALL = os.environ.get("PROOF_ALL_CUTS") == "1"
CHOSEN = tuple(MOMENTS) if ALL else PROVEN
if_all = pytest.mark.skipif(not ALL, reason="each cut costs a boot: PROOF_ALL_CUTS=1 runs it")

PREPARE = r"""
old=$(uname -r)
new=NEW

cat >/usr/local/sbin/moment <<'END'
#!/bin/sh
# moment NAME [flushed]: when NAME is to be cut, say so on the console and wait until the disk was copied.
[ -e "/run/moments/$1" ] || exit 0
[ "${2-}" != flushed ] || /usr/bin/sync
printf '\nMOMENT %s\n' "$1" >/dev/ttyS0
while [ -e "/run/moments/$1" ]; do sleep 0.2; done
END

# Who calls `sync` first is update-initramfs; who calls `dd` is course-kernels.
cat >/usr/local/sbin/sync <<'END'
#!/bin/sh
/usr/local/sbin/moment initrd-renamed
/usr/bin/sync "$@"
/usr/local/sbin/moment initrd-flushed
END
cat >/usr/local/sbin/dd <<'END'
#!/bin/sh
/usr/local/sbin/moment unlisted
/usr/bin/dd "$@"
/usr/local/sbin/moment listed
END

mkdir -p /etc/kernel/postinst.d /etc/kernel/prerm.d /etc/kernel/postrm.d
printf '#!/bin/sh\nexec /usr/local/sbin/moment links flushed\n' >/etc/kernel/postinst.d/aa-moment
printf '#!/bin/sh\nexec /usr/local/sbin/moment dropped\n' >/etc/kernel/prerm.d/zzz-moment
printf '#!/bin/sh\nexec /usr/local/sbin/moment removed flushed\n' >/etc/kernel/postrm.d/aa-moment

# The copied kernel keeps its name, by which it looks for the modules of its initrd.
cat >/etc/initramfs-tools/hooks/moment <<'END'
#!/bin/sh
[ "$1" != prereqs ] || exit 0
modules=$DESTDIR/lib/modules
[ -e "$modules/$(uname -r)" ] || ln -s "$version" "$modules/$(uname -r)"
exec /usr/local/sbin/moment initrd-begun flushed
END

# As soon as the root file system is there, the console shows which kernel GRUB started.
cat >/usr/local/sbin/say-up <<'END'
#!/bin/sh
read -r image rest </proc/cmdline
printf '\nUP %s\n' "$image" >/dev/ttyS0
END
cat >/etc/systemd/system/say-up.service <<'END'
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/say-up
[Install]
WantedBy=sysinit.target
END

tree=/root/tree
mkdir -p "$tree/DEBIAN" "$tree/boot" "$tree/lib/modules/$new"
cp "/boot/vmlinuz-$old" "$tree/boot/vmlinuz-$new"
cp "/boot/config-$old" "$tree/boot/config-$new"
cd "/lib/modules/$old"
cp modules.order modules.builtin modules.builtin.modinfo "$tree/lib/modules/$new"
lsinitramfs "/boot/initrd.img-$old" | sed -n 's|.*lib/modules/[^/]*/\(kernel/.*\.ko\)$|\1|p' |
    xargs cp --parents --target-directory="$tree/lib/modules/$new"
cat >"$tree/DEBIAN/control" <<END
Package: linux-image-$new
Version: 1
Architecture: $(dpkg --print-architecture)
Maintainer: nobody <nobody@localhost>
Description: a copy of the running kernel
END
for script in preinst postinst prerm postrm; do
    sed "s/$old/$new/g" "/var/lib/dpkg/info/linux-image-$old.$script" >"$tree/DEBIAN/$script"
    chmod 0755 "$tree/DEBIAN/$script"
done
sed -i -e '1a /usr/local/sbin/moment unpacked flushed' \
    -e 's|^exit 0$|/usr/local/sbin/moment configured flushed; exit 0|' "$tree/DEBIAN/postinst"
dpkg-deb --build -Znone "$tree" /root/new.deb

cat >/root/upgrade <<END
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
{ dpkg --install /root/new.deb && dpkg --remove linux-image-$new && echo DONE; } >/root/upgrade.log 2>&1 </dev/null
/usr/local/sbin/moment ended
END

chmod 0755 /usr/local/sbin/moment /usr/local/sbin/sync /usr/local/sbin/dd /usr/local/sbin/say-up /root/upgrade
chmod 0755 /etc/kernel/*/*-moment /etc/initramfs-tools/hooks/moment
systemctl enable --quiet say-up.service
/usr/bin/sync
mkdir /run/moments
cd /run/moments
touch CHOSEN ended
systemd-run --quiet --unit=upgrade /root/upgrade
"""
"""Makes the package of the kernel NEW, lets the upgrade wait at the moments CHOSEN, and starts it."""


@dataclass(frozen=True)
class Upgrade:
    """The versions of the kernels by "old" and "new", and the disks that the cuts left by their moments."""

    kernels: dict[str, str]
    disks: dict[str, Path]


@pytest.fixture(scope="module")
def upgrade(machine: Machine, work: Path) -> Iterator[Upgrade]:
    """Give what power cuts leave of an upgrade to a new kernel and of the kernel's removal."""
    old = machine.run("uname -r").stdout.strip()
    kernels = {"old": old, "new": re.sub(r"-\d+-", "-999-", old, count=1)}
    assert kernels["new"] != old
    assert read_list(machine) == [old]
    machine.sudo(PREPARE.replace("NEW", kernels["new"]).replace("CHOSEN", " ".join(CHOSEN)))
    disks = {moment: work / f"cut-{moment}-disk.qcow2" for moment in CHOSEN}
    for moment, disk in disks.items():
        wait_moment(machine, moment)
        copy_overlay(machine, disk)
        machine.sudo(f"rm /run/moments/{moment}")
    wait_moment(machine, "ended")
    assert machine.sudo("tail -n 1 /root/upgrade.log") == "DONE\n", machine.sudo("cat /root/upgrade.log")
    assert read_list(machine) == [old]
    machine.power_cut()
    yield Upgrade(kernels, disks)
    for disk in disks.values():
        disk.unlink()


def wait_moment(machine: Machine, moment: str) -> None:
    """Wait until the upgrade waits at the moment; fail when it ends before."""
    shown = machine.wait_serial(rf"^MOMENT ({moment}|ended)$", UPGRADE_TIMEOUT)[1]
    assert shown == moment, f"not seen: {moment}\n{machine.sudo('cat /root/upgrade.log')}"


def read_list(machine: Machine) -> list[str]:
    """Return the kernels of the boot menu, the one that starts first."""
    return machine.run("sed -n 's/^set kernels=\"\\(.*\\)\" *$/\\1/p' /boot/grub/kernels.cfg").stdout.split()


@pytest.mark.parametrize(
    "moment", [pytest.param(moment, marks=() if moment in PROVEN else (if_all,)) for moment in MOMENTS]
)
def test_a_machine_starts_after_a_cut(upgrade: Upgrade, new_machine: MakeMachine, moment: str) -> None:
    with new_machine(f"cut-{moment}", disk=upgrade.disks[moment], disk_format="qcow2") as machine:
        started = machine.wait_boot(r"^UP (\S+)$")[1]
    assert started == f"BOOT_IMAGE=/boot/vmlinuz-{upgrade.kernels[MOMENTS[moment]]}"


@if_all
def test_dpkg_finishes_an_upgrade_that_was_cut(upgrade: Upgrade, new_machine: MakeMachine) -> None:
    with new_machine("finished", disk=upgrade.disks["links"], disk_format="qcow2") as machine:
        machine.wait_ready()
        assert read_list(machine) == [upgrade.kernels["old"]]
        machine.sudo("dpkg --configure -a")
        assert read_list(machine) == [upgrade.kernels["new"], upgrade.kernels["old"]]
        assert machine.run("dpkg --audit").stdout == ""
