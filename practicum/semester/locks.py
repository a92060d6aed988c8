"""Which locks a semester has, and whether they fit its description."""

from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from practicum.architecture import AMD64, Architecture
from practicum.engine.errors import PracticumError
from practicum.semester.description import Semester
from practicum.wheels.lock_text import label_of
from practicum.wheels.lockfile import read_lock, read_target
from practicum.wheels.resolver import Target

Variant = Literal["cpu", "cuda"]

# The C library of each suite bounds the manylinux wheels it can load; trixie has 2.41, uv knows platforms up to 2.40.
GLIBC_OF_SUITE = {"bookworm": 36, "trixie": 40}


def find_target(semester: Semester, architecture: Architecture = AMD64) -> Target:
    """Return the target of the products for `architecture`: its Debian suite's own Python and C library."""
    suite = semester.debian
    return Target(suite.python_version, GLIBC_OF_SUITE[suite.suite], architecture.machine)


def place_lock(semester: Semester, variant: Variant, architecture: Architecture = AMD64) -> Path:
    """Return the path of a lock of Python packages, there or not."""
    return semester.folder / f"python-{variant}{architecture.suffix}.lock"


def place_debian_lock(semester: Semester, architecture: Architecture = AMD64) -> Path:
    """Return the path of the lock of Debian packages, there or not."""
    return semester.folder / f"debian{architecture.suffix}.lock"


def list_requirements(semester: Semester, variant: Variant, architecture: Architecture = AMD64) -> list[str]:
    """Return what a lock is resolved from: python.requires; in CPU products with the versions of the architecture."""
    pins = {_name(text): text for text in semester.list_pins(architecture)} if variant == "cpu" else {}
    return [pins.get(_name(text), text) for text in semester.python.requires]


def find_lock(semester: Semester, variant: Variant, architecture: Architecture = AMD64) -> Path:
    """Return the path of a lock; raise PracticumError if it is missing or does not fit semester.toml."""
    path = place_lock(semester, variant, architecture)
    cure = f"run: practicum lock {semester.folder.name}"
    if not path.exists():
        raise PracticumError(label_of(path), "not there yet", cure)
    if read_target(path) != find_target(semester, architecture):
        raise PracticumError(label_of(path), "made for another Debian suite or architecture", cure)
    locked = {package.name: Version(package.version) for package in read_lock(path)}
    for requirement in map(Requirement, list_requirements(semester, variant, architecture)):
        version = locked.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            found = f"holds {version}" if version else "holds none"
            raise PracticumError(label_of(path), f"semester.toml asks for {requirement}, the lock {found}", cure)
    return path


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)
