"""What a machine needs for a build, looked at all at once: a list beats finding one obstacle after another."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from practicum.architecture import Architecture
from practicum.commands.build import require_emulators
from practicum.engine import cache
from practicum.engine.errors import PracticumError
from practicum.engine.tools import require
from practicum.images.docker import ensure_docker
from practicum.semester.description import Semester
from practicum.semester.products import list_all

MEMORY = 3 * 10**9
"""Bytes of memory and swap; packing the Python set and compressing the disk on two cores stay well below."""


@dataclass(frozen=True)
class Finding:
    """One requirement: whether it is met, and what was found or what to do."""

    subject: str
    ok: bool
    detail: str


def inspect(semester: Semester, architectures: Sequence[Architecture]) -> list[Finding]:
    """Return what was found of every requirement; takes under two seconds and changes nothing.

    An emulator is needed only where one of `architectures` is not this machine's.
    """
    every = list_all(semester, architectures)
    foreign = [architecture.name for architecture in architectures if not architecture.is_native]
    tools = tuple(dict.fromkeys(tool for stage in every for tool in stage.needs))
    needed = sum(stage.measure_space() for stage in every)
    return [
        _judge("root", require_root, "yes"),
        _judge("tools", lambda: require(*tools), f"{len(tools)} found"),
        _judge("disk", lambda: cache.require_space(cache.root(), needed, "a build from nothing"), _describe_free()),
        _judge("memory", _require_memory, cache.format_bytes(_read_memory())),
        _judge("docker", ensure_docker, "reachable"),
        *(
            [_judge("emulator", lambda: require_emulators(architectures), f"registered for {', '.join(foreign)}")]
            if foreign
            else []
        ),
    ]


def _judge(subject: str, look: Callable[[], None], found: str) -> Finding:
    try:
        look()
    except PracticumError as error:
        return Finding(subject, False, str(error).removeprefix(f"{subject}: "))
    return Finding(subject, True, found)


def require_root() -> None:
    """Raise PracticumError for every other user."""
    if os.geteuid() != 0:
        raise PracticumError("root", "this makes namespaces and files of other owners", "run it as root: sudo -i")


def _describe_free() -> str:
    return f"{cache.format_bytes(shutil.disk_usage(cache.root()).free)} free in {cache.root()}"


def _require_memory() -> None:
    if _read_memory() < MEMORY:
        raise PracticumError(
            "",
            f"{cache.format_bytes(_read_memory())} of memory and swap, {cache.format_bytes(MEMORY)} needed",
            "add swap",
        )


def _read_memory() -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return sum(int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "SwapTotal"))
