"""A Python lock of a semester, such as python-cpu.lock or python-cuda.lock.

It is a requirements file with hashes for one target (Python version and platform, in its header). It names one wheel a
package, the best one for that target, so that a wheel published later changes no build. It holds no address: where
wheels come from is this machine's configuration, asked again at each download.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from practicum.engine.errors import PracticumError
from practicum.wheels.lock_text import label_of, read_text, split_logical_lines
from practicum.wheels.resolver import Target, Wheel, list_cpu_sources, resolve


@dataclass(frozen=True)
class LockedPackage:
    """One line of a Python lock: canonical name, version, sha256 digests (64 hex digits each)."""

    name: str
    version: str
    hashes: tuple[str, ...]

    @property
    def line(self) -> str:
        return " ".join([f"{self.name}=={self.version}", *(f"--hash=sha256:{digest}" for digest in self.hashes)])


def locate(lock: Path) -> list[Wheel]:
    """Where each wheel of `lock` can be had now: the best one for the lock's target among those the lock allows.

    Asks the package index of this machine's uv configuration and the course's folder of wheels, and for `+cpu` builds
    the places of `list_cpu_sources`.
    Raises PracticumError when a package is nowhere, or only with other hashes.
    """
    target, packages = read_target(lock), read_lock(lock)
    local = [package for package in packages if Version(package.version).local]
    general = [package for package in packages if package not in local]
    wheels = _locate_in(list_cpu_sources(), local, target, label_of(lock)) + _locate_in(
        [list_own_sources(lock.parent)], general, target, label_of(lock)
    )
    return sorted(wheels, key=lambda wheel: wheel.name)


def list_own_sources(semester: Path) -> tuple[str, ...]:
    """Return the course's folder of wheels, as uv options; nothing where it has none. semester: its folder."""
    folder = semester.parents[1] / "wheels"
    return ("--find-links", str(folder)) if folder.is_dir() else ()


def read_lock(path: Path) -> list[LockedPackage]:
    """Return the packages of a Python lock, in file order. Raises PracticumError for a line without version or hash."""
    return list(_parse(path, read_text(path)))


@lru_cache(maxsize=32)
def _parse(path: Path, text: str) -> tuple[LockedPackage, ...]:
    """Return the packages of a lock's text, which all products of a semester ask for. path: for messages alone."""
    packages = []
    for number, line in split_logical_lines(text):
        pin, *options = line.split()
        match = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)", pin)
        hashes = tuple(option.removeprefix("--hash=sha256:") for option in options)
        if not match or not hashes or not all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in hashes):
            raise PracticumError(
                label_of(path),
                f"line {number}: not name==version --hash=sha256:...",
                f"run: practicum lock {path.parent.name}",
            )
        packages.append(LockedPackage(canonicalize_name(match[1]), match[2], hashes))
    return tuple(packages)


def read_target(path: Path) -> Target:
    """Return the target in the header of a Python lock. Raises PracticumError when the header is not ours."""
    match = re.search(r"^# target: python (\d+\.\d+), (\w+)-manylinux_2_(\d+)$", read_text(path), re.MULTILINE)
    if not match:
        raise PracticumError(label_of(path), "has no target line", f"run: practicum lock {path.parent.name}")
    return Target(match[1], int(match[3]), match[2])


def hash_lock(path: Path) -> str:
    """sha256 of what the lock says (comments apart), in hex: the key of everything made from it."""
    content = [str(read_target(path)), *(package.line for package in read_lock(path))]
    return hashlib.sha256("\n".join(content).encode()).hexdigest()


def _locate_in(
    sources: list[tuple[str, ...]], packages: list[LockedPackage], target: Target, where: str
) -> list[Wheel]:
    """Return the wheels of `packages` from the first of `sources` that has them all."""
    lines = [package.line for package in packages]
    hashes = {package.name: package.hashes for package in packages}
    mistake = PracticumError(where, "no place to look for wheels")
    for source in sources if packages else ():
        try:
            return resolve(lines, target, source=source, deps=False, hashes=hashes, where=where)
        except PracticumError as error:
            mistake = error
    if packages:
        raise mistake
    return []


def render_lock(packages: list[LockedPackage], target: Target, command: str) -> str:
    """Return the text of a Python lock that `command` made."""
    header = f"# Made by: {command}\n# target: python {target.python}, {target.platform}\n"
    return header + "".join(f"{package.line}\n" for package in packages)
