#!/usr/bin/env python3
"""Measures sizes and times, keeps the raw numbers in build/bench.json and writes docs/figures.md.

    .venv/bin/python scripts/bench.py [SEMESTER] [--only size,warm]

Needs a finished build (make ova), root, and a quiet machine. What it builds for measuring lives below build/, in a copy
of the checkout with a cache of its own, and is removed with its docker images: working tree and cache stay as they are.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import httpx
import pytest
import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for smoke_tests, which is no installed package

from figures import Figure, Measurement, describe_host, read_measurements, render, write_measurements  # noqa: E402
from sandbox import change_content, lend_output, spared  # noqa: E402

from practicum import appliance, cache, cli, disk, lock, run, stages, wheelhouse  # noqa: E402
from practicum.description import Semester  # noqa: E402
from practicum.errors import PracticumError  # noqa: E402
from practicum.progress import Console  # noqa: E402
from practicum.publish import write_text  # noqa: E402
from smoke_tests.qemu import Machine, extract_disk  # noqa: E402
from smoke_tests.virtualbox import Unavailable, open_vbox, prepare_root  # noqa: E402

SIZE_OF_2018 = 3.4e9
"""Bytes of the course's first appliance, as its page of spring 2018 gave them."""

LIMITS = {"ova": 600e6, "warm": 5.0, "content": 180.0}
"""Bytes and seconds that were promised."""

BOOT_TIMEOUT = 900.0
CHANGED_BY_CONTENT = ["course-appliance", "disk", "ova"]


@dataclass(frozen=True)
class Bench:
    """What a part measures, and `work`, a folder of its own on the checkout's disk that is removed afterwards."""

    semester: Semester
    work: Path
    console: Console

    @property
    def ova(self) -> Path:
        path = appliance.target(self.semester)
        if not path.is_file():
            raise PracticumError(f"{path.relative_to(ROOT)}: not there; run: make ova")
        return path

    def run(self, *argv: str, name: str, **options: object) -> float:
        """Runs a command to its end, its output in build/logs/bench-<name>.log, and returns the seconds it took."""
        log = ROOT / "build/logs" / f"bench-{name}.log"
        log.unlink(missing_ok=True)
        return run.run(argv, step=f"bench {name}", log=log, on_line=self.console.line, **options).seconds


def measure_size(bench: Bench) -> list[Figure]:
    size = bench.ova.stat().st_size
    imported, how = measure_imported(bench)
    return [
        Figure("size of the `.ova`", size, "bytes", LIMITS["ova"]),
        Figure("the same against the 3.4 GB of 2018", size / SIZE_OF_2018, "ratio"),
        Figure(f"disk space after the import ({how})", imported, "bytes"),
    ]


def measure_imported(bench: Bench) -> tuple[int, str]:
    """Returns the bytes that the imported disk takes, and what imported it."""
    try:
        root = prepare_root(cache.root())
    except Unavailable as reason:
        bench.console.say(f"no VirtualBox here ({reason}): taking qemu-img instead")
        raw = extract_disk(bench.ova, bench.work / "imported.raw")
        return raw.stat().st_blocks * 512, "written out by qemu-img, VirtualBox was not to be had"
    with open_vbox(root) as vbox:
        machine = vbox.showvminfo(vbox.import_ova(bench.ova))
        (medium,) = [value for value in machine.values() if value.endswith((".vmdk", ".vdi"))]
        return vbox.host_path(medium).stat().st_blocks * 512, f"VirtualBox {vbox.version().partition('_')[0]}"


def measure_warm(bench: Bench) -> list[Figure]:
    """The median of three, of the command a person types."""
    if stale := [stage.name for stage in appliance.recipe(bench.semester) if stages.find_fault(stage)]:
        raise PracticumError(f"warm: {', '.join(stale)} would run; finish the build first: make ova")
    command = ("make", "--no-print-directory", "ova", f"SEMESTER={bench.semester.course.semester}")
    seconds = sorted(bench.run(*command, name="warm", cwd=ROOT, contain=False) for _ in range(3))
    return [Figure("`make ova`, nothing changed", seconds[1], "s", LIMITS["warm"])]


def measure_content(bench: Bench) -> list[Figure]:
    with spared(bench.semester, bench.work) as (copy, home):
        changed = change_content(copy)
        recipe = appliance.recipe(copy)
        missing = [stage.name for stage in recipe if stages.find_fault(stage)]
        if missing != CHANGED_BY_CONTENT:
            raise PracticumError(f"content: {', '.join(missing)} would run; finish the build first: make ova")
        for stage in recipe:
            if stage.name not in missing:
                lend_output(stage, home)
        seconds = build_copy(bench, copy, home, "content")
    return [
        Figure(f"`make ova` after a change of {changed}", seconds, "s", LIMITS["content"]),
        *list_stage_times(home, CHANGED_BY_CONTENT),
    ]


def measure_cold(bench: Bench) -> list[Figure]:
    with spared(bench.semester, bench.work) as (copy, home):
        started = time.monotonic()
        with bench.console.paused():
            wheelhouse.prepare(lock.find_lock(copy, "cpu"), home / "practicum", progress=True)
        fetching = time.monotonic() - started
        wheels = sum(path.stat().st_size for path in (home / "practicum/wheels").rglob("*.whl"))
        building = build_copy(bench, copy, home, "cold")
        names = [stage.name for stage in appliance.recipe(copy)]
    return [
        Figure("`make ova` from an empty cache", fetching + building, "s"),
        Figure(f"of which finding, downloading and checking {cache.format_bytes(wheels)} of wheels", fetching, "s"),
        *list_stage_times(home, names),
    ]


def measure_boot(bench: Bench) -> list[Figure]:
    """Both machines in turn, on the same hardware; the second start follows a pulled plug."""
    hardware = {"cpus": bench.semester.appliance.cpus, "memory_mb": bench.semester.appliance.memory_mb}
    logs, user = ROOT / "build/logs", bench.semester.appliance.user
    ours = extract_disk(bench.ova, bench.work / "ours.raw")
    stock = make_stock_disk(bench)
    machine = Machine(ours, bench.work, logs, "bench-appliance", user, **hardware)
    debian = Machine(stock, bench.work, logs, "bench-stock", **hardware)
    figures = []
    for start in ("first start", "second start"):
        prompt, page = time_login_prompt(debian), time_page(machine)
        bench.console.say(f"{start}: Debian's prompt after {prompt:.0f} s, the appliance's page after {page:.0f} s")
        figures += [
            Figure(f"{start}: power-on to HTTP 200 of JupyterLab's page", page, "s"),
            Figure(f"{start}: power-on to the login prompt of a stock Debian", prompt, "s"),
            Figure(f"{start}: the appliance's page against Debian's prompt", page / prompt, "ratio"),
        ]
    return figures


PARTS: dict[str, Callable[[Bench], list[Figure]]] = {
    "size": measure_size,
    "warm": measure_warm,
    "content": measure_content,
    "boot": measure_boot,
    "cold": measure_cold,
}


def make_stock_disk(bench: Bench) -> Path:
    """Returns the raw disk of Debian's important packages, kernel and ssh server, with the appliance's boot loader."""
    suite, tree, raw = bench.semester.debian.suite, bench.work / "stock", bench.work / "stock.raw"
    packages = "--include=init,linux-image-amd64,openssh-server"
    bench.run("mmdebstrap", "--mode=root", "--variant=important", packages, suite, str(tree), name="stock")
    (tree / "etc/fstab").write_text(f"LABEL={disk.LABEL} / ext4 errors=remount-ro 0 1\n")
    nothing = tree / disk.PYTHON_PLACE  # a stock Debian has no Python environment: its partition stays empty
    nothing.mkdir(parents=True)
    squashfs, epoch = bench.work / "stock.squashfs", bench.semester.epoch
    disk.write_squashfs(nothing, squashfs, epoch=epoch, log=bench.work / "stock.log")
    plan = disk.Plan("stock", "Debian", "stock", bench.semester.appliance.disk_gb << 30, epoch)
    disk.write_disk(tree, squashfs, raw, plan, work=bench.work, console=bench.console)
    cache.remove_tree(tree)
    return raw


def time_login_prompt(machine: Machine) -> float:
    with machine:
        machine.wait_serial("^stock login:", BOOT_TIMEOUT)
        return time.monotonic() - machine.started


def time_page(machine: Machine) -> float:
    """Returns seconds from power-on to the page, asked for with the code; before that, the light /api is polled."""
    with machine:
        deadline = machine.started + BOOT_TIMEOUT
        while not answers(f"{machine.url}/api"):
            if time.monotonic() > deadline:
                raise PracticumError(f"boot: no JupyterLab within {BOOT_TIMEOUT:.0f} s; see {machine.log}")
            time.sleep(0.1)
        status = machine.http("/lab", machine.code).status_code
        if status != 200:
            raise PracticumError(f"boot: JupyterLab's page has status {status}, not 200; see {machine.log}")
        return time.monotonic() - machine.started


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def build_copy(bench: Bench, copy: Semester, home: Path, name: str) -> float:
    program = os.fspath(Path(sys.executable).with_name("practicum"))
    scope = copy.course.semester
    return bench.run(program, "ova", scope, name=name, cwd=copy.root, env={"XDG_CACHE_HOME": str(home)}, contain=False)


def list_stage_times(home: Path, names: list[str]) -> list[Figure]:
    """Returns the seconds that each stage of a finished build recorded."""
    times = {}
    for manifest in (home / "practicum/stages").glob("*/*/manifest.json"):
        times[manifest.parents[1].name] = float(json.loads(manifest.read_text())["seconds"])
    return [Figure(f"of which stage {name}", times[name], "s") for name in names]


def measure(part: str, semester: Semester, given: str, console: Console) -> Measurement:
    """Runs one part in a work folder of its own."""
    date, load_before = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"), os.getloadavg()[0]
    (ROOT / "build").mkdir(exist_ok=True)
    with console.stage(part), tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT / "build") as work:
        try:
            figures = PARTS[part](Bench(semester, Path(work), console))
        except (AssertionError, pytest.fail.Exception, subprocess.CalledProcessError) as error:
            raise PracticumError(f"bench {part}: {error}") from None
    command = " ".join(filter(None, [".venv/bin/python scripts/bench.py", given, "--only", part]))
    return Measurement(semester.name, command, date, load_before, describe_host(), tuple(figures))


def bench(
    semester: Annotated[str, typer.Argument(metavar="[SEMESTER]", help="The newest if left out.")] = "",
    only: Annotated[str, typer.Option(help=f"Parts to measure, of {','.join(PARTS)}.")] = ",".join(PARTS),
) -> None:
    """Measure, and write docs/figures.md."""
    parts = only.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        raise PracticumError(f"--only {unknown[0]}: no such part; there are {', '.join(PARTS)}")
    os.chdir(ROOT)
    described = cli.find_semester(semester)
    kept = ROOT / "build/bench.json"
    with Console() as console:
        for part in parts:
            measured = measure(part, described, semester, console)
            every = {**read_measurements(kept), part: measured}
            write_measurements(kept, every)
            write_text(ROOT / "docs/figures.md", render(every, tuple(PARTS)))
    print("docs/figures.md")


if __name__ == "__main__":
    run.stop_on_signals()
    sys.exit(cli.exit_code_of(lambda: typer.run(bench)))
