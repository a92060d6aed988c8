"""Measured figures: how they are kept between runs of the benchmark, and the page made of them."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from practicum.engine.cache import format_bytes
from practicum.engine.publish import write_text

HEAD = """# Figures

`make bench` (`scripts/bench.py`) writes this page: do not edit it. Times depend on the load of the machine.

"""


@dataclass(frozen=True)
class Figure:
    """One row: what was measured, its value in `unit`, and the most it may be, if promised.

    unit: "bytes", "s", "ratio" (times as much) or "count".
    """

    what: str
    value: float
    unit: str
    limit: float | None = None


@dataclass(frozen=True)
class Host:
    """The machine that measured: processor model, cores, bytes of memory, kernel release."""

    cpu: str
    cores: int
    memory: int
    kernel: str

    def __str__(self) -> str:
        return f"{self.cpu}, {self.cores} cores, {format_bytes(self.memory)}, Linux {self.kernel}"


@dataclass(frozen=True)
class Measurement:
    """One run of one part: product and command it was run for, local date, load average (1 min) before it, its rows."""

    product: str
    command: str
    date: str
    load: float
    host: Host
    figures: tuple[Figure, ...]


def render(measurements: Mapping[str, Measurement], order: tuple[str, ...]) -> str:
    """Return docs/figures.md: the rows of each part, in `order`, then how, when and where each part was measured."""
    parts = [part for part in order if part in measurements]
    hosts = [measurements[part].host for part in parts]
    rows = [row for part in parts for row in _render_figures(part, measurements[part].figures)]
    runs = [
        f"| {part} | `{one.command}` | {one.product} | {one.date} | {one.load:.1f} "
        f"| {'' if before == one.host else one.host} |"
        for part, before in zip(parts, [None, *hosts], strict=False)
        for one in [measurements[part]]
    ]
    return HEAD + "\n".join(
        [
            "| part | what | measured | at most |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "| part | command | of | when | load before | machine |",
            "| --- | --- | --- | --- | --- | --- |",
            *runs,
            "",
        ]
    )


def _render_figures(part: str, figures: tuple[Figure, ...]) -> list[str]:
    """Return one row for each figure; the first row names the part."""
    return [
        f"| {'' if number else part} | {figure.what} | {format_value(figure.value, figure.unit)} "
        f"| {format_limit(figure)} |"
        for number, figure in enumerate(figures)
    ]


def format_value(value: float, unit: str) -> str:
    """Return a value for people, with its unit."""
    if unit == "bytes":
        return format_bytes(round(value))
    if unit == "ratio":
        return f"{value:.2f} times"
    if unit == "count":
        return str(round(value))
    minutes, seconds = divmod(round(value), 60)
    if minutes:
        return f"{minutes} min {seconds:02} s"
    return f"{value:.1f} s" if value >= 1 else f"{value:.2f} s"


def format_limit(figure: Figure) -> str:
    """Return what was promised, with a mark where it is missed, "" where nothing was."""
    if figure.limit is None:
        return ""
    return format_value(figure.limit, figure.unit) + ("" if figure.value <= figure.limit else " **(missed)**")


def read_measurements(path: Path) -> dict[str, Measurement]:
    """Return what earlier runs measured, by part; empty when there is no such file."""
    if not path.exists():
        return {}
    kept = json.loads(path.read_text())
    return {
        part: Measurement(
            **{
                **values,
                "host": Host(**values["host"]),
                "figures": tuple(Figure(**figure) for figure in values["figures"]),
            }
        )
        for part, values in kept.items()
    }


def write_measurements(path: Path, measurements: Mapping[str, Measurement]) -> None:
    write_text(path, json.dumps({part: asdict(one) for part, one in measurements.items()}, indent=1) + "\n")


def describe_host() -> Host:
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in cpus if line.startswith("model name")), "unknown CPU")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Host(model, len(os.sched_getaffinity(0)), memory, platform.release())
