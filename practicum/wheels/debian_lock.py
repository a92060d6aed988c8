"""debian.lock: the Debian packages of a semester, as a build installed them."""

import re
from collections.abc import Mapping
from pathlib import Path

from practicum.engine.errors import PracticumError
from practicum.wheels.lock_text import label_of, read_text, split_logical_lines


def render_debian(installed: Mapping[str, str], semester: str) -> str:
    """Return a debian.lock of `semester`: the packages that a build installed, by name, one `name=version` a line."""
    lines = [f"{name}={version}\n" for name, version in sorted(installed.items())]
    return f"# Debian packages as a build installs them (practicum lock {semester})\n{''.join(lines)}"


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
