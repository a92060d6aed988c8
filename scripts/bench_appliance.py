"""The appliance's parts of the benchmark."""

import time
from collections.abc import Callable
from pathlib import Path

from bench_base import (
    LOGS,
    ROOT,
    Bench,
    Part,
    build_copy,
    fetch_wheels,
    list_stage_times,
    time_content_change,
    time_nothing_changed,
    wait_for_server,
)
from figures import Figure
from sandbox import spared

from practicum.architecture import AMD64
from practicum.engine import cache
from practicum.engine.errors import PracticumError
from practicum.ova import disk
from practicum.ova.squashfs import PYTHON_PLACE, write_squashfs
from practicum.semester import products
from smoke_tests.qemu import Machine, extract_disk
from smoke_tests.sid import Unavailable
from smoke_tests.virtualbox import open_vbox, prepare_virtualbox

SIZE_OF_2018 = 3.4e9
"""Bytes of the course's first appliance, as its page of spring 2018 gave them."""

LIMITS = {"ova": 600e6, "warm": 5.0, "content": 180.0}
"""Bytes and seconds that were promised."""

BOOT_TIMEOUT = 900.0
CHANGED_BY_CONTENT = ("course-appliance", "disk", "ova")


def find_ova(bench: Bench) -> Path:
    path = products.ova_path(bench.semester)
    if not path.is_file():
        raise PracticumError(str(path.relative_to(ROOT)), "not there", "run: make ova")
    return path


def measure_size(bench: Bench) -> list[Figure]:
    size = find_ova(bench).stat().st_size
    imported, how = measure_imported(bench, find_ova(bench))
    return [
        Figure("size of the `.ova`", size, "bytes", LIMITS["ova"]),
        Figure("against the 3.4 GB of 2018", size / SIZE_OF_2018, "ratio"),
        Figure(f"disk space after the import ({how})", imported, "bytes"),
    ]


def measure_imported(bench: Bench, ova: Path) -> tuple[int, str]:
    """Return the bytes that the imported disk takes, and what imported it."""
    try:
        root = prepare_virtualbox(cache.root())
    except Unavailable as reason:
        bench.console.say(f"no VirtualBox here ({reason}): taking qemu-img instead")
        raw = extract_disk(ova, bench.work / "imported.raw")
        return raw.stat().st_blocks * 512, "written out by qemu-img, VirtualBox was not to be had"
    with open_vbox(root) as vbox:
        machine = vbox.showvminfo(vbox.import_ova(ova))
        (medium,) = [value for value in machine.values() if value.endswith((".vmdk", ".vdi"))]
        return vbox.host_path(medium).stat().st_blocks * 512, f"VirtualBox {vbox.version().partition('_')[0]}"


def measure_warm(bench: Bench) -> list[Figure]:
    seconds = time_nothing_changed(bench, "ova", products.list_ova(bench.semester))
    return [Figure("`make ova`, nothing changed", seconds, "s", LIMITS["warm"])]


def measure_content(bench: Bench) -> list[Figure]:
    with spared(bench.semester, bench.work) as (copy, home):
        changed, seconds = time_content_change(bench, copy, home, "ova", products.list_ova, CHANGED_BY_CONTENT)
    return [
        Figure(f"`make ova` after a change of {changed}", seconds, "s", LIMITS["content"]),
        *list_stage_times(home, CHANGED_BY_CONTENT),
    ]


def measure_cold(bench: Bench) -> list[Figure]:
    with spared(bench.semester, bench.work) as (copy, home):
        wheels = fetch_wheels(bench, copy, "cpu", home)
        building = build_copy(bench, copy, home, "ova", name="cold-ova")
        names = [stage.name for stage in products.list_ova(copy)]
    return [
        Figure("`make ova` from an empty cache", wheels.value + building, "s"),
        wheels,
        *list_stage_times(home, names),
    ]


def measure_boot(bench: Bench) -> list[Figure]:
    """Both machines in turn, on the same hardware; the second start follows a pulled plug."""
    hardware = {"cpus": bench.semester.appliance.cpus, "memory_mb": bench.semester.appliance.memory_mb}
    user = bench.semester.appliance.user
    ours = extract_disk(find_ova(bench), bench.work / "ours.raw")
    stock = make_stock_disk(bench)
    machine = Machine(ours, bench.work, LOGS, "bench-appliance", user, **hardware)
    debian = Machine(stock, bench.work, LOGS, "bench-stock", **hardware)
    figures = []
    for start in ("first start", "second start"):
        prompt, page = time_login_prompt(debian), time_page(machine)
        bench.console.say(f"{start}: Debian's prompt after {prompt:.0f} s, the appliance's page after {page:.0f} s")
        figures += [
            Figure(f"{start}, to HTTP 200 of JupyterLab's page", page, "s"),
            Figure(f"{start} of a stock Debian, to its login prompt", prompt, "s"),
            Figure(f"{start}, the page against Debian's prompt", page / prompt, "ratio"),
        ]
    return figures


PARTS: dict[str, Part] = {
    "size": measure_size,
    "warm": measure_warm,
    "content": measure_content,
    "boot": measure_boot,
    "cold": measure_cold,
}


def make_stock_disk(bench: Bench, prepare: Callable[[Path], None] = lambda tree: None) -> Path:
    """Return the raw disk of Debian's important packages, kernel and ssh server, with the appliance's boot loader.

    `prepare` changes the tree of its files before.
    """
    suite, tree, raw = bench.semester.debian.suite, bench.work / "stock", bench.work / "stock.raw"
    packages = f"--include=init,{AMD64.kernel},openssh-server"
    bench.run("mmdebstrap", "--mode=root", "--variant=important", packages, suite, str(tree), name="stock")
    (tree / "etc/fstab").write_text(f"LABEL={disk.LABEL} / ext4 errors=remount-ro 0 1\n")
    prepare(tree)
    nothing = tree / PYTHON_PLACE  # a stock Debian has no Python environment: its partition stays empty
    nothing.mkdir(parents=True)
    squashfs, epoch = bench.work / "stock.squashfs", bench.semester.epoch
    write_squashfs(nothing, squashfs, epoch=epoch, log=bench.work / "stock.log")
    plan = disk.Plan("stock", "Debian", "stock", bench.semester.appliance.disk_gb << 30, epoch, AMD64.boot)
    disk.write_disk(tree, squashfs, raw, plan, grub=Path("/"), work=bench.work, console=bench.console)
    cache.remove_tree(tree)
    return raw


def time_login_prompt(machine: Machine) -> float:
    with machine:
        machine.wait_serial("^stock login:", BOOT_TIMEOUT)
        return time.monotonic() - machine.started


def time_page(machine: Machine) -> float:
    """Return seconds from power-on to the page, asked for with the code."""
    with machine:
        wait_for_server(machine.url, BOOT_TIMEOUT, machine.log)
        status = machine.http("/lab", machine.code).status_code
        if status != 200:
            raise PracticumError("boot", f"JupyterLab's page has status {status}, not 200", f"see {machine.log}")
        return time.monotonic() - machine.started
