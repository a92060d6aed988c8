"""debian.lock: the Debian packages of a semester, as a build installed them.

Those of the base come first: courses that have these in common share the base, and a lock that changes only the others
leaves it as it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from practicum.engine.errors import PracticumError
from practicum.wheels.lock_text import label_of, read_text, split_logical_lines

END_OF_BASE = "# of the products, besides"
"""The line of a debian.lock between the packages of the base and the others."""


@dataclass(frozen=True)
class Packages:
    """The versions, by name, of the Debian packages that a build installs: those of the base, and all."""

    base: Mapping[str, str]
    all: Mapping[str, str]


def render_debian(installed: Packages, semester: str) -> str:
    """Return a debian.lock of `semester`: the packages that a build installed, by name, one `name=version` a line."""
    base = _render({name: installed.all[name] for name in installed.base})
    rest = _render({name: version for name, version in installed.all.items() if name not in installed.base})
    return f"# Debian packages as a build installs them (practicum lock {semester})\n{base}{END_OF_BASE}\n{rest}"


def _render(versions: Mapping[str, str]) -> str:
    return "".join(f"{name}={version}\n" for name, version in sorted(versions.items()))


def read_base(path: Path) -> str:
    """Return the lines of a debian.lock that are of the base: all, where an earlier practicum wrote it."""
    base, _, _ = read_text(path).partition(f"\n{END_OF_BASE}\n")
    return "".join(f"{line}\n" for line in base.splitlines() if not line.startswith("#"))


def read_debian(path: Path) -> dict[str, str]:
    """Return the versions of a debian.lock by package name; raise PracticumError if a line is not name=version."""
    versions = {}
    for number, line in split_logical_lines(read_text(path)):
        match = re.fullmatch(r"([a-z0-9][a-z0-9+.-]+(?::[a-z0-9]+)?)=(\S+)", line)
        if not match:
            raise PracticumError(
                label_of(path), f"line {number}: not name=version", f"run: practicum lock {path.parent.name}"
            )
        versions[match[1]] = match[2]
    return versions


def drift(lock: Mapping[str, str], installed: Mapping[str, str]) -> list[str]:
    """Return what differs between the locked and the installed Debian packages, one readable line a package, sorted."""
    lines = []
    for name in sorted({*lock, *installed}):
        locked, found = lock.get(name), installed.get(name)
        if locked is None:
            lines.append(f"{name}: {found} is new")
        elif found is None:
            lines.append(f"{name}: {locked} is gone")
        elif locked != found:
            lines.append(f"{name}: {locked} became {found}")
    return lines
