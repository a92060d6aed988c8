#!/usr/bin/env python3
"""Measures sizes and times, keeps the raw numbers in docs/figures.json and writes docs/figures.md from them.

    .venv/bin/python scripts/bench.py [SEMESTER] [--only size,images]

Needs a finished build (make ova docker), root, and a quiet machine. What it builds for measuring lives below build/, in
a copy of the checkout with a cache of its own, and is removed with its docker images: working tree and cache stay as
they are.
"""

import os
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Annotated

import pytest
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for smoke_tests, which is no installed package

import bench_appliance
import bench_arm
import bench_audit
import bench_images
import bench_start
from bench_base import LOGS, ROOT, Bench, Part
from figures import Measurement, describe_host, read_measurements, render, write_measurements

from practicum import cli
from practicum.architecture import ARM64
from practicum.engine import run
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.engine.publish import write_text
from practicum.semester import find
from practicum.semester.description import Semester

PARTS: dict[str, Part] = {
    **bench_appliance.PARTS,
    **bench_images.PARTS,
    **bench_start.PARTS,
    **bench_audit.PARTS,
    **bench_arm.PARTS,
}
"""In the order in which they run and stand on the page."""

KEPT = ROOT / "docs/figures.json"
"""The raw numbers of the page's rows, in git with the page: a part that is measured anew replaces its own rows."""


def measure(part: str, semester: Semester, given: str, console: Console) -> Measurement:
    """Run one part in a work folder of its own."""
    date, load_before = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"), os.getloadavg()[0]
    LOGS.mkdir(parents=True, exist_ok=True)
    with console.stage(part), tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT / "build") as work:
        try:
            figures = PARTS[part](Bench(semester, Path(work), console))
        except (AssertionError, pytest.fail.Exception, subprocess.CalledProcessError) as error:
            raise PracticumError(f"bench {part}", str(error)) from None
    command = " ".join(filter(None, [".venv/bin/python scripts/bench.py", given, "--only", part]))
    return Measurement(semester.product_name, command, date, load_before, describe_host(), tuple(figures))


def list_parts(semester: Semester) -> list[str]:
    """Return the parts for the products of `semester`."""
    return [part for part in PARTS if part not in bench_arm.PARTS or ARM64 in semester.built_for]


def bench(
    semester: Annotated[str, typer.Argument(metavar="[SEMESTER]", help="The newest if left out.")] = "",
    only: Annotated[
        str, typer.Option(help=f"Parts to measure, of {','.join(PARTS)}; all of the semester if left out.")
    ] = "",
) -> None:
    """Measure, and write docs/figures.md."""
    parts = only.split(",") if only else []
    if unknown := [part for part in parts if part not in PARTS]:
        raise PracticumError(f"--only {unknown[0]}", "no such part", f"there are {', '.join(PARTS)}")
    os.chdir(ROOT)
    described = find.find_semester(semester)
    new: dict[str, Measurement] = {}
    try:
        with Console() as console:
            for part in parts or list_parts(described):
                new[part] = measure(part, described, semester, console)
    finally:
        # Not after each part: a changed file of the checkout gives the images other names and labels, to be built anew.
        measurements = {**read_measurements(KEPT), **new}
        write_measurements(KEPT, measurements)
        write_text(ROOT / "docs/figures.md", render(measurements, tuple(PARTS)))
    print("docs/figures.md")


if __name__ == "__main__":
    run.stop_on_signals()
    sys.exit(cli.exit_code_of(lambda: typer.run(bench)))
