"""The locks of a semester: python-cpu.lock, python-cuda.lock and debian.lock.

A Python lock is a requirements file with hashes for one target (Python version and platform, in its header). It names
one wheel a package, the best one for that target, so that a wheel published later changes no build. It holds no
address: where wheels come from is this machine's configuration, asked again at each download.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from practicum.description import PINNED, Semester
from practicum.errors import PracticumError
from practicum.publish import write_text
from practicum.resolver import Target, Wheel, list_cpu_sources, resolve

Kind = Literal["cpu", "cuda"]

# Below the root of the checkout: packages that no product has though others ask for them, each with its reason.
LEFT_OUT = "ansible/trim/packages.txt"

# The C library of each suite bounds the manylinux wheels it can load; trixie has 2.41, uv knows platforms up to 2.40.
GLIBC_OF_SUITE = {"bookworm": 36, "trixie": 40}


@dataclass(frozen=True)
class LockedPackage:
    """One line of a Python lock: canonical name, version, sha256 digests (64 hex digits each)."""

    name: str
    version: str
    hashes: tuple[str, ...]

    @property
    def line(self) -> str:
        return " ".join([f"{self.name}=={self.version}", *(f"--hash=sha256:{digest}" for digest in self.hashes)])


def find_target(semester: Semester) -> Target:
    """The target of every product of `semester`: its Debian suite's own Python and C library."""
    return Target(semester.debian.python_version, GLIBC_OF_SUITE[semester.debian.suite])


def find_lock(semester: Semester, kind: Kind) -> Path:
    """The path of python-`kind`.lock. Raises PracticumError when it is missing or no longer fits semester.toml."""
    path = semester.folder / f"python-{kind}.lock"
    cure = f"run: practicum lock {semester.folder.name}"
    if not path.exists():
        raise PracticumError(f"{_label(path)}: not there yet; {cure}")
    if read_target(path) != find_target(semester):
        raise PracticumError(f"{_label(path)}: made for another Debian suite; {cure}")
    locked = {package.name: Version(package.version) for package in read_lock(path)}
    for requirement in map(Requirement, semester.python.requires):
        version = locked.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            found = f"holds {version}" if version else "holds none"
            raise PracticumError(f"{_label(path)}: semester.toml asks for {requirement}, the lock {found}; {cure}")
    return path


def lock_python(semester: Semester, *, kind: Kind) -> Path:
    """Resolve `semester.python.requires` for `kind` and write semesters/<id>/python-`kind`.lock atomically.

    cpu takes the `+cpu` build of torch, and of torchvision where there is one. Raises PracticumError when the packages
    do not fit together, a build cannot be found or the network is down; the old lock then stays.
    """
    target = find_target(semester)
    where = f"{_label(semester.folder / 'semester.toml')}: python.requires"
    requires = list(semester.python.requires)
    source: tuple[str, ...] = ()
    if kind == "cpu":
        requires, source = _choose_cpu_builds(requires, target, where)
    wheels = resolve(requires, target, source=source, excludes=semester.root / LEFT_OUT, where=where)
    if kind == "cuda" and any(Version(wheel.version).local for wheel in wheels):
        raise PracticumError(f"{where}: the CUDA lock met a CPU build; remove find-links from uv's configuration")
    path = semester.folder / f"python-{kind}.lock"
    packages = [LockedPackage(wheel.name, wheel.version, (wheel.sha256,)) for wheel in wheels]
    write_text(path, _render_lock(packages, target, f"practicum lock {semester.folder.name}"))
    return path


def locate(lock: Path) -> list[Wheel]:
    """Where each wheel of `lock` can be had now: the best one for the lock's target among those the lock allows.

    Asks the package index of this machine's uv configuration, and for `+cpu` builds the places of `list_cpu_sources`.
    Raises PracticumError when a package is nowhere, or only with other hashes.
    """
    target, packages = read_target(lock), read_lock(lock)
    local = [package for package in packages if Version(package.version).local]
    general = [package for package in packages if package not in local]
    wheels = _locate_in(list_cpu_sources(), local, target, _label(lock)) + _locate_in(
        [()], general, target, _label(lock)
    )
    return sorted(wheels, key=lambda wheel: wheel.name)


def read_lock(path: Path) -> list[LockedPackage]:
    """The packages of a Python lock, in file order. Raises PracticumError for a line without version or hash."""
    packages = []
    for number, line in _read_logical_lines(path):
        pin, *options = line.split()
        match = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)", pin)
        hashes = tuple(option.removeprefix("--hash=sha256:") for option in options)
        if not match or not hashes or not all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in hashes):
            raise PracticumError(
                f"{_label(path)}: line {number}: not name==version --hash=sha256:...; "
                f"run: practicum lock {path.parent.name}"
            )
        packages.append(LockedPackage(canonicalize_name(match[1]), match[2], hashes))
    return packages


def read_target(path: Path) -> Target:
    """The target in the header of a Python lock. Raises PracticumError when the header is not ours."""
    match = re.search(r"^# target: python (\d+\.\d+), x86_64-manylinux_2_(\d+)$", _read_text(path), re.MULTILINE)
    if not match:
        raise PracticumError(f"{_label(path)}: has no target line; run: practicum lock {path.parent.name}")
    return Target(match[1], int(match[2]))


def hash_lock(path: Path) -> str:
    """sha256 of what the lock says (comments apart), in hex: the key of everything made from it."""
    content = [str(read_target(path)), *(package.line for package in read_lock(path))]
    return hashlib.sha256("\n".join(content).encode()).hexdigest()


def hash_packages(packages: Iterable[LockedPackage]) -> str:
    """sha256 of some packages of a lock, in hex: the key of what is made from these alone."""
    return hashlib.sha256("\n".join(package.line for package in packages).encode()).hexdigest()


def record_debian(semester: Semester, installed: Mapping[str, str]) -> Path:
    """Write semesters/<id>/debian.lock: the Debian packages a build installed, one `name=version` a line."""
    path = semester.folder / "debian.lock"
    lines = [f"{name}={version}\n" for name, version in sorted(installed.items())]
    write_text(
        path, f"# Debian packages as a build installs them (practicum lock {semester.folder.name})\n{''.join(lines)}"
    )
    return path


def read_debian(path: Path) -> dict[str, str]:
    """The versions of a debian.lock by package name. Raises PracticumError for a line that is not name=version."""
    versions = {}
    for number, line in _read_logical_lines(path):
        match = re.fullmatch(r"([a-z0-9][a-z0-9+.-]+(?::[a-z0-9]+)?)=(\S+)", line)
        if not match:
            raise PracticumError(
                f"{_label(path)}: line {number}: not name=version; run: practicum lock {path.parent.name}"
            )
        versions[match[1]] = match[2]
    return versions


def drift(lock: Mapping[str, str], installed: Mapping[str, str]) -> list[str]:
    """What differs between the locked and the installed Debian packages, one readable line a package, sorted."""
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


def _choose_cpu_builds(requires: list[str], target: Target, where: str) -> tuple[list[str], tuple[str, ...]]:
    """`requires` with torch, and torchvision where it can be had, pinned to their +cpu builds; and the source of those.

    Without a +cpu torchvision the general build is locked; practicum.torchvision repacks it.
    """
    reason = ""
    for source in reversed(list_cpu_sources()):
        for names in (PINNED, PINNED[:1]):
            pinned = [
                _pin_cpu(text) if canonicalize_name(Requirement(text).name) in names else text for text in requires
            ]
            builds = [text for text in pinned if text.endswith("+cpu")]
            try:
                resolve(builds, target, source=source, deps=False, where=where)
                return pinned, source
            except PracticumError as error:
                reason = str(error).removeprefix(f"{where}: ").partition(";")[0]
    raise PracticumError(
        f"{where}: no CPU build of torch for Python {target.python} ({reason}); "
        "connect to the network, or put the wheel into a folder and name it in PIP_FIND_LINKS"
    )


def _pin_cpu(requirement: str) -> str:
    parsed = Requirement(requirement)
    return f"{parsed.name}=={next(iter(parsed.specifier)).version}+cpu"


def _locate_in(
    sources: list[tuple[str, ...]], packages: list[LockedPackage], target: Target, where: str
) -> list[Wheel]:
    """The wheels of `packages` from the first of `sources` that has them all."""
    lines = [package.line for package in packages]
    hashes = {package.name: package.hashes for package in packages}
    mistake = PracticumError(f"{where}: no place to look for wheels")
    for source in sources if packages else ():
        try:
            return resolve(lines, target, source=source, deps=False, hashes=hashes, where=where)
        except PracticumError as error:
            mistake = error
    if packages:
        raise mistake
    return []


def _render_lock(packages: list[LockedPackage], target: Target, command: str) -> str:
    header = f"# Made by: {command}\n# target: python {target.python}, x86_64-manylinux_2_{target.glibc}\n"
    return header + "".join(f"{package.line}\n" for package in packages)


def _read_logical_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and text of each line that says something; a line ending in a backslash goes on in the next."""
    number, parts = 0, ""
    for count, line in enumerate(_read_text(path).splitlines(), start=1):
        text = line.partition("#")[0] if line.startswith("#") else line
        number = number if parts else count
        parts += f" {text.removesuffix(chr(92))}"
        if not text.endswith("\\"):
            if parts.strip():
                yield number, parts.strip()
            parts = ""


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise PracticumError(
            f"{_label(path)}: cannot be read as text; run: practicum lock {path.parent.name}"
        ) from None


def _label(path: Path) -> str:
    return "/".join(path.parts[-3:])
