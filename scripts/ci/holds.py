"""Which versions a refresh may choose: the constraints that hold every other package where it is.

none: nothing changes. security: only what is older than its floor changes. minor: what stays within its major version
changes too. torch and CUDA never change by themselves: a new CUDA needs new drivers, so a person chooses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from packaging.version import Version

from practicum.release import contents
from practicum.release.versions import BY_HAND
from practicum.wheels.lockfile import read_lock

POLICIES = ("none", "security", "minor")


def read_versions(folder: Path) -> dict[str, list[Version]]:
    """Return the versions that the semester's Python locks name, by package."""
    versions: dict[str, list[Version]] = {}
    for path in sorted(folder.glob("python-*.lock")):
        for package in read_lock(path):
            versions.setdefault(package.name, []).append(Version(package.version))
    return versions


def read_floors(path: Path) -> dict[str, Version]:
    """Return the oldest version of each package without a published hole."""
    return {name: Version(version) for name, version in contents.read_floors(path.read_text()).items()}


def list_constraints(
    versions: Mapping[str, Iterable[Version]], floors: Mapping[str, Version], policy: str
) -> Iterator[str]:
    """Return a line of uv's constraints for each package: torch and CUDA stay, the others move as `policy` allows."""
    for name, found in sorted(versions.items()):
        oldest, newest = min(found), max(found)
        floor = floors.get(name)
        if BY_HAND.fullmatch(name):
            yield _between(name, oldest, newest)
        elif floor and oldest < floor:
            yield f"{name}>={floor}"
        elif policy == "minor":
            yield f"{name}>={oldest.public},<{_next_major(newest)}"
        else:
            yield _between(name, oldest, newest)


def _between(name: str, oldest: Version, newest: Version) -> str:
    return (
        f"{name}=={oldest.public}" if oldest.public == newest.public else f"{name}>={oldest.public},<={newest.public}"
    )


def _next_major(version: Version) -> str:
    epoch = f"{version.epoch}!" if version.epoch else ""
    return f"{epoch}{version.major + 1}.dev0"
