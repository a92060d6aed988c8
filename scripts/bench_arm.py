"""The benchmark's parts for ARM: what the products of another architecture cost, against those of the first."""

import os
import resource
from contextlib import suppress
from pathlib import Path

from bench_appliance import BOOT_TIMEOUT, measure_imported
from bench_base import LOGS, Bench, Part, build_copy, wait_for_server
from figures import Figure
from proof_report import spent
from sandbox import spared

from practicum.architecture import AMD64, ARM64, Architecture
from practicum.engine.errors import PracticumError
from practicum.semester import products
from smoke_tests.hardware import find_hardware
from smoke_tests.qemu import Machine, extract_disk

LIMIT_OF_BUILD = 2.5
"""How many times the CPU seconds of the first architecture's build were promised."""

DAEMON = (Path("/run/docker.pid"), Path("/run/docker/containerd/containerd.pid"))
"""Files with the process ids of docker's daemon and of the containerd that it starts."""


def measure_size(bench: Bench) -> list[Figure]:
    other, first = (products.ova_path(bench.semester, one) for one in (ARM64, AMD64))
    for path, name in ((other, ARM64.name), (first, AMD64.name)):
        if not path.is_file():
            raise PracticumError(path.name, "not there", f"run: make ova ARCH={name}")
    size = other.stat().st_size
    imported, how = measure_imported(bench, other)
    return [
        Figure("size of the `.ova` for ARM", size, "bytes"),
        Figure("against the one for Intel and AMD", size / first.stat().st_size, "ratio"),
        Figure(f"disk space after the import ({how})", imported, "bytes"),
    ]


def measure_boot(bench: Bench) -> list[Figure]:
    """Both emulated, with one processor, on which each costs what it would cost on a machine of its own."""
    other, first = (boot(bench, one) for one in (ARM64, AMD64))
    return [
        Figure("first start to HTTP 200, CPU seconds of QEMU", other, "s"),
        Figure("first start of the one for Intel and AMD", first, "s"),
        Figure("the one against the other", other / first, "ratio"),
    ]


def boot(bench: Bench, architecture: Architecture) -> float:
    """Return the CPU seconds of QEMU from power-on until JupyterLab's page is served."""
    disk = extract_disk(products.ova_path(bench.semester, architecture), bench.work / f"{architecture.name}.raw")
    machine = Machine(
        *(disk, bench.work, LOGS, f"bench-{architecture.name}", bench.semester.appliance.user),
        cpus=1,
        memory_mb=bench.semester.appliance.memory_mb,
        uefi=not architecture.boot.bios,
        architecture=architecture,
        hardware=find_hardware(architecture),
    )
    with machine:
        wait_for_server(machine.url, BOOT_TIMEOUT, machine.log)
        machine.http("/lab", machine.code).raise_for_status()
        return machine.cpu_seconds


def measure_cold(bench: Bench) -> list[Figure]:
    """Build both from an empty cache; other programs may run meanwhile, but no other containers."""
    seconds = {}
    with spared(bench.semester, bench.work) as (copy, home):
        for architecture in (AMD64, ARM64):
            before = cpu_of_builds()
            build_copy(bench, copy, home, "ova", f"--arch={architecture.name}", name=f"cold-{architecture.name}")
            seconds[architecture] = cpu_of_builds() - before
    first, other = seconds[AMD64], seconds[ARM64]
    return [
        Figure("`make ova` from an empty cache, CPU seconds", first, "s"),
        Figure("then `make ova ARCH=arm64`", other, "s"),
        Figure("both against the first", (first + other) / first, "ratio"),
        Figure("the second against the first", other / first, "ratio", LIMIT_OF_BUILD),
    ]


def cpu_of_builds() -> float:
    """Return the CPU seconds so far of this program's children that ended, of docker's daemon, and of its containers.

    Files: proc(5), the cgroup that docker's driver `cgroupfs` makes.
    """
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = 0
    for file in DAEMON:
        with suppress(FileNotFoundError):  # a daemon that systemd started has no containerd of its own
            process = Path("/proc", file.read_text().strip(), "stat").read_text()
            ticks += sum(map(int, process.rpartition(")")[2].split()[11:13]))  # utime and stime
    return children.ru_utime + children.ru_stime + ticks / os.sysconf("SC_CLK_TCK") + spent()["builds"]


PARTS: dict[str, Part] = {"arm": measure_size, "arm-boot": measure_boot, "arm-cold": measure_cold}
