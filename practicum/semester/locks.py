"""Which locks a semester has, and whether they fit its description."""

from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from practicum.engine.errors import PracticumError
from practicum.semester.description import Semester
from practicum.wheels.lock_text import label_of
from practicum.wheels.lockfile import read_lock, read_target
from practicum.wheels.resolver import Target

Variant = Literal["cpu", "cuda"]

# The C library of each suite bounds the manylinux wheels it can load; trixie has 2.41, uv knows platforms up to 2.40.
GLIBC_OF_SUITE = {"bookworm": 36, "trixie": 40}


def find_target(semester: Semester) -> Target:
    """Return the target of every product of `semester`: its Debian suite's own Python and C library."""
    return Target(semester.debian.python_version, GLIBC_OF_SUITE[semester.debian.suite])


def find_lock(semester: Semester, variant: Variant) -> Path:
    """Return the path of python-`variant`.lock; raise PracticumError if it is missing or does not fit semester.toml."""
    path = semester.folder / f"python-{variant}.lock"
    cure = f"run: practicum lock {semester.folder.name}"
    if not path.exists():
        raise PracticumError(label_of(path), "not there yet", cure)
    if read_target(path) != find_target(semester):
        raise PracticumError(label_of(path), "made for another Debian suite", cure)
    locked = {package.name: Version(package.version) for package in read_lock(path)}
    for requirement in map(Requirement, semester.python.requires):
        version = locked.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            found = f"holds {version}" if version else "holds none"
            raise PracticumError(label_of(path), f"semester.toml asks for {requirement}, the lock {found}", cure)
    return path
