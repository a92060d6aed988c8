"""What Lynis, an auditor of Debian's, says of the running appliance and of a stock Debian."""

import re
import shutil
from pathlib import Path

from bench_appliance import BOOT_TIMEOUT, find_ova, make_stock_disk
from bench_base import LOGS, Bench, Part, wait_for_server
from figures import Figure

from practicum.engine.errors import PracticumError
from smoke_tests.qemu import Machine, extract_disk

TIMEOUT = 5400.0
"""Seconds for an audit in an emulated machine, which takes minutes."""

AUDIT = "lynis audit system --quick --cronjob > /dev/null 2>&1; grep ^hardening_index= /var/log/lynis-report.dat"
INDEX = r"hardening_index=(\d+)"

UNIT = f"""\
[Unit]
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/bin/sh -c '{AUDIT} > /dev/ttyS0'
"""
"""Audits the stock machine, which has no account to log in with."""


def measure_audit(bench: Bench) -> list[Figure]:
    """Both run, on the same hardware; each has Lynis as its package would have left it."""
    bench.run("apt-get", "download", "lynis", name="lynis", cwd=bench.work)
    (package,) = bench.work.glob("lynis_*.deb")
    stock, ours = audit_stock(bench, package), audit_appliance(bench, package)
    return [
        Figure("Lynis' hardening index of the running appliance", ours, "count"),
        Figure("of a stock Debian", stock, "count"),
    ]


PARTS: dict[str, Part] = {"audit": measure_audit}


def audit_stock(bench: Bench, package: Path) -> int:
    def prepare(tree: Path) -> None:
        inside = tree / "lynis.deb"
        shutil.copy(package, inside)
        bench.run("chroot", str(tree), "dpkg", "--install", "/lynis.deb", name="lynis")
        inside.unlink()
        units = tree / "etc/systemd/system"
        (units / "audit.service").write_text(UNIT)
        wanted = units / "graphical.target.wants"
        wanted.mkdir(exist_ok=True)
        (wanted / "audit.service").symlink_to("../audit.service")

    with new_machine(bench, make_stock_disk(bench, prepare), "stock") as machine:
        return read_index(machine.wait_serial(INDEX, TIMEOUT)[0])


def audit_appliance(bench: Bench, package: Path) -> int:
    disk = extract_disk(find_ova(bench), bench.work / "ours.raw")
    with new_machine(bench, disk, "appliance") as machine:
        wait_for_server(machine.url, BOOT_TIMEOUT, machine.log)
        with machine.ssh().open_sftp() as sftp:
            sftp.put(str(package), "/tmp/lynis.deb")
        return read_index(machine.sudo(f"dpkg --install /tmp/lynis.deb > /dev/null\n{AUDIT}", timeout=TIMEOUT))


def new_machine(bench: Bench, disk: Path, name: str) -> Machine:
    appliance = bench.semester.appliance
    return Machine(disk, bench.work, LOGS, f"audit-{name}", appliance.user, cpus=1, memory_mb=appliance.memory_mb)


def read_index(printed: str) -> int:
    found = re.search(INDEX, printed)
    if not found:
        raise PracticumError("audit", f"Lynis printed {printed!r}, and no index", f"see {LOGS}")
    return int(found[1])
