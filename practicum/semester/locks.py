"""Which locks a semester has, and whether they fit its description."""

from functools import cache
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from practicum.architecture import AMD64, Architecture
from practicum.engine.errors import PracticumError
from practicum.semester.description import Semester
from practicum.semester.fit import holds
from practicum.wheels.debian_lock import read_debian
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
    require_file(path)
    if read_target(path) != find_target(semester, architecture):
        raise PracticumError(label_of(path), "made for another Debian suite or architecture", cure)
    locked = list_versions(path, cure)
    for text in list_requirements(semester, variant, architecture):
        if not holds(text, semester.debian.python_version, architecture):
            continue
        requirement = _read_requirement(text)
        version = locked.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            found = f"holds {version}" if version else "holds none"
            raise PracticumError(label_of(path), f"semester.toml asks for {requirement}, the lock {found}", cure)
    return path


def list_versions(lock: Path, cure: str) -> dict[str, Version]:
    """Return the versions of a lock by package; raise PracticumError, with this `cure`, for what is no version."""
    versions: dict[str, Version] = {}
    for package in read_lock(lock):
        if package.name in versions:
            raise PracticumError(label_of(lock), f"names {package.name} twice", cure)
        try:
            versions[package.name] = _read_version(package.version)
        except InvalidVersion:
            raise PracticumError(label_of(lock), f"{package.name}=={package.version} names no version", cure) from None
    return versions


def find_debian_lock(semester: Semester, architecture: Architecture = AMD64) -> Path | None:
    """Return the path of the lock of Debian packages, None before there is one; raise PracticumError if it is older.

    That is: if it lacks a package that semester.toml names.
    """
    path = place_debian_lock(semester, architecture)
    if not path.exists():
        return None
    require_file(path)
    asked = list_debian_packages(semester, architecture)
    locked = {name.partition(":")[0] for name in read_debian(path)}
    if missing := [name for name in asked if name not in locked]:
        reason = f"older than semester.toml, which asks for {', '.join(missing)}"
        raise PracticumError(label_of(path), reason, f"run: practicum lock {semester.folder.name}")
    return path


def list_debian_packages(semester: Semester, architecture: Architecture = AMD64) -> list[str]:
    """Return what the lock of Debian packages is resolved from."""
    machine = semester.debian.list_appliance_packages(architecture) if "appliance" in semester.products else ()
    return [*semester.debian.packages, *machine]


def check_locks(semester: Semester) -> bool:
    """Return whether there are locks; raise PracticumError where one does not fit, or some are missing."""
    python = [(variant, one) for one in semester.built_for for variant in semester.variants]
    places = [place_lock(semester, *each) for each in python]
    places += [place_debian_lock(semester, one) for one in semester.built_for]
    if not any(path.exists() for path in places):
        return False
    for each in python:
        find_lock(semester, *each)
    for architecture in semester.built_for:
        require_file(place_debian_lock(semester, architecture))
        find_debian_lock(semester, architecture)
    return True


def require_file(lock: Path) -> None:
    """Raise PracticumError where `lock` is no file: the end of a pipe may never come."""
    if not lock.is_file():
        run = f"run: practicum lock {lock.parent.name}"
        if lock.exists():
            raise PracticumError(label_of(lock), "a folder or a pipe, not a file", f"remove it, then {run}")
        raise PracticumError(label_of(lock), "not there yet", run)


def _name(requirement: str) -> str:
    return canonicalize_name(_read_requirement(requirement).name)


# Each product of a semester asks for the same.
_read_requirement = cache(Requirement)
_read_version = cache(Version)
