"""What the proof came to: proof_report.py begin | end PART...

`begin` empties build/report and remembers how much CPU time this machine has spent so far. `end` reads what every PART
left there (NAME.json of proof_part.py, NAME.xml of pytest) and prints it as a table, also into build/report/index.html.
The exit code of `end` is 1 when a part failed or did not run. When the parts made the products, `end` also writes
build/report/proved.json, which says of which files and of which commit the proof is; `practicum release` reads it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "build/report"
BEGUN = "begun.json"
PROVED = "proved.json"
MAKERS = {"build-ova", "build-images", "archive"}
"""The parts that make the products: without one of them, the files in dist/ may be those of another build."""
SLOWEST = 10
WIDTH = 150
BUILDS = Path("/sys/fs/cgroup/cpuacct/docker/cpuacct.usage")
"""Nanoseconds of the containers that no part started under its own cgroup: those in which products are built."""


@dataclass(frozen=True)
class Test:
    """One test of a part: `outcome` is "passed", "failed" or "skipped", `told` the reason of the last two."""

    part: str
    name: str
    seconds: float
    outcome: str
    told: str = ""


@dataclass(frozen=True)
class Part:
    """What is known of a part: `cpu` and `seconds` are those of its whole command; `exit` is None if it never ended."""

    name: str
    tests: tuple[Test, ...]
    cpu: float = 0.0
    seconds: float = 0.0
    exit: int | None = None

    def count(self, outcome: str) -> int:
        return sum(test.outcome == outcome for test in self.tests)

    @property
    def state(self) -> str:
        if self.exit is None:
            return "NOT RUN"
        return f"FAILED ({self.exit})" if self.exit else "passed"


def read_part(folder: Path, name: str) -> Part:
    """Return the part `name` from its files in `folder`; a file that is missing or cut off counts as nothing."""
    tests = tuple(read_tests(folder / f"{name}.xml", name))
    try:
        record = json.loads((folder / f"{name}.json").read_text())
    except (OSError, ValueError):
        return Part(name, tests)
    return Part(name, tests, record["cpu"], record["seconds"], record["exit"])


def read_tests(path: Path, part: str) -> Iterator[Test]:
    """Return the tests in pytest's JUnit file."""
    try:
        cases = ET.parse(path).getroot().iter("testcase")
    except (OSError, ET.ParseError):
        return
    for case in cases:
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        outcome, told = "passed", ""
        for child in case:
            if child.tag in ("failure", "error"):
                outcome, told = "failed", (child.get("message") or child.text or "").strip()
            elif child.tag == "skipped" and outcome == "passed":
                outcome, told = "skipped", (child.get("message") or "").strip()
        yield Test(part, name, float(case.get("time", 0)), outcome, told)


def spent() -> dict[str, float]:
    """Return the clock, and CPU seconds since this machine started: of all of it, and of docker's own cgroup."""
    user, nice, system, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    builds = int(BUILDS.read_text()) / 1e9 if BUILDS.exists() else 0.0
    return {"clock": time.time(), "machine": (user + nice + system) / os.sysconf("SC_CLK_TCK"), "builds": builds}


def begin(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / BEGUN).write_text(json.dumps(spent()))


def show(parts: list[Part], since: dict[str, float], console: Console) -> None:
    """Print the parts, the slowest tests, the reasons of skips, the failures and a last line with the sums."""
    before, now = since, spent()
    table = Table(title="The proof", title_justify="left", caption_justify="left")
    for column in ("part", "CPU s", "wall s", "passed", "failed", "skipped", ""):
        table.add_column(column, justify="left" if column in ("part", "") else "right", no_wrap=True)
    for part in parts:
        numbers = [f"{part.cpu:.0f}", f"{part.seconds:.0f}", *(f"{part.count(each)}" for each in OUTCOMES)]
        table.add_row(part.name, *numbers, part.state)
    sums = Counter(test.outcome for part in parts for test in part.tests)
    wall, builds = now["clock"] - before["clock"], now["builds"] - before["builds"]
    table.add_row("containers of the builds", f"{builds:.0f}", end_section=True)
    cpu = f"{builds + sum(part.cpu for part in parts):.0f}"
    table.add_row("all", cpu, f"{wall:.0f}", *(f"{sums[each]}" for each in OUTCOMES))
    table.caption = (
        f"This machine spent {now['machine'] - before['machine']:.0f} CPU s meanwhile, docker's daemon included."
    )
    console.print(table)

    tests = [test for part in parts for test in part.tests]
    print_list(console, "The slowest tests, by the clock", [
        f"{test.seconds:7.1f} s  {test.part}: {test.name}"
        for test in sorted(tests, key=lambda test: -test.seconds)[:SLOWEST]
    ])  # fmt: skip
    reasons = Counter((test.part, test.told) for test in tests if test.outcome == "skipped")
    print_list(console, "Skipped", [f"{count:4} in {part}: {told}" for (part, told), count in sorted(reasons.items())])
    failed = [f"{test.part}: {test.name}: {first_line(test.told)}" for test in tests if test.outcome == "failed"]
    failed += [f"{part.name}: {part.state}, see build/report/{part.name}.log" for part in parts if part.exit != 0]
    print_list(console, "Failed", failed)
    # The last line stands in the form that services which count tests look for.
    console.print(f"{sums['passed']} passed, {sums['failed']} failed, {sums['skipped']} skipped", highlight=False)


OUTCOMES = ("passed", "failed", "skipped")


def print_list(console: Console, title: str, lines: list[str]) -> None:
    if lines:
        console.print(f"\n[bold]{title}[/bold]")
        for line in lines:
            console.print(line, markup=False, highlight=False, no_wrap=True, overflow="ellipsis")


def first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""


def end(folder: Path, names: list[str]) -> int:
    parts = [read_part(folder, name) for name in names]
    console = Console(record=True, width=WIDTH)
    show(parts, json.loads((folder / BEGUN).read_text()), console)
    console.save_html(str(folder / "index.html"))
    if set(names) >= MAKERS:
        (folder / PROVED).write_text(json.dumps(describe_proof(parts, ROOT), indent=1) + "\n")
    return int(any(part.exit != 0 for part in parts))


def describe_proof(parts: list[Part], root: Path) -> dict[str, object]:
    """Return what proved.json says.

    revision: the commit, marked when files differ from it. subjects: name of each product's file -> sha256, as the
    build wrote it beside the file. passed, failed, skipped: tests; a part that fails without a failed test counts as
    one.
    """
    from practicum.semester.revision import read_revision

    counts = {outcome: sum(part.count(outcome) for part in parts) for outcome in OUTCOMES}
    counts["failed"] += sum(part.exit != 0 and not part.count("failed") for part in parts)
    sums = [path.read_text().split() for path in sorted(root.glob("dist/*/*.sha256"))]
    return {"revision": read_revision(root).label, "subjects": {name: digest for digest, name in sums}, **counts}


if __name__ == "__main__":
    if sys.argv[1] == "begin":
        begin(REPORT)
    else:
        sys.exit(end(REPORT, sys.argv[2:]))
