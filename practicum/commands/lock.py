"""`practicum lock`: the locks of a semester are written anew, from the indexes and archives of today."""

import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from practicum.engine import cache
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.engine.publish import write_text
from practicum.engine.run import read
from practicum.images.docker import ensure_docker, running
from practicum.images.root import make_root
from practicum.semester.description import Semester
from practicum.semester.locks import Variant, find_target
from practicum.semester.products import TRIM_DEBIAN, VARIANTS
from practicum.semester.values import PINNED
from practicum.wheels.debian_lock import record_debian
from practicum.wheels.lock_text import label_of
from practicum.wheels.lockfile import LockedPackage, render_lock
from practicum.wheels.resolver import Target, list_cpu_sources, resolve

# Below the root of the checkout: packages that no product has though others ask for them, each with its reason.
LEFT_OUT = "ansible/trim/packages.txt"


def lock_semester(semester: Semester, console: Console) -> Iterator[Path]:
    """Write the locks of `semester` anew and give the path of each; raises PracticumError, the old one then stays."""
    for variant in VARIANTS:
        yield lock_python(semester, variant=variant)
    packages = [*semester.debian.packages, *semester.debian.appliance_packages]
    with cache.work_folder("lock") as work, console.stage("debian"):
        versions = resolve_packages(semester.debian.suite, semester.root / TRIM_DEBIAN, packages, work, console)
    path = semester.folder / "debian.lock"
    record_debian(path, versions)
    yield path


def lock_python(semester: Semester, *, variant: Variant) -> Path:
    """Resolve `semester.python.requires` for `variant` and write semesters/<id>/python-`variant`.lock atomically.

    cpu takes the `+cpu` build of torch, and of torchvision where there is one. Raises PracticumError when the packages
    do not fit together, a build cannot be found or the network is down; the old lock then stays.
    """
    target = find_target(semester)
    where = f"{label_of(semester.folder / 'semester.toml')}: python.requires"
    requires = list(semester.python.requires)
    source: tuple[str, ...] = ()
    if variant == "cpu":
        requires, source = _choose_cpu_builds(requires, target, where)
    wheels = resolve(requires, target, source=source, excludes=semester.root / LEFT_OUT, where=where)
    if variant == "cuda" and any(Version(wheel.version).local for wheel in wheels):
        raise PracticumError(where, "the CUDA lock met a CPU build", "remove find-links from uv's configuration")
    path = semester.folder / f"python-{variant}.lock"
    packages = [LockedPackage(wheel.name, wheel.version, (wheel.sha256,)) for wheel in wheels]
    write_text(path, render_lock(packages, target, f"practicum lock {semester.folder.name}"))
    return path


def _choose_cpu_builds(requires: list[str], target: Target, where: str) -> tuple[list[str], tuple[str, ...]]:
    """Return `requires` with torch, and torchvision if it can be had, pinned to +cpu builds; and the source of those.

    Without a +cpu torchvision the general build is locked; wheels/torchvision.py repacks it.
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
                reason = error.reason
    raise PracticumError(
        where,
        f"no CPU build of torch for Python {target.python} ({reason})",
        "connect to the network, or put the wheel into a folder and name it in PIP_FIND_LINKS",
    )


def _pin_cpu(requirement: str) -> str:
    parsed = Requirement(requirement)
    return f"{parsed.name}=={next(iter(parsed.specifier)).version}+cpu"


def resolve_packages(suite: str, trim: Path, packages: Sequence[str], work: Path, console: Console) -> dict[str, str]:
    """Return the version, by name, of every package a build of today installs: base root, `packages`, what they need.

    Nothing is installed: a fresh base root asks apt. Raises PracticumError when a package does not exist.
    """
    ensure_docker()
    tag = f"practicum-lock:{os.getpid()}"
    make_root(suite, trim, tag, work, int(time.time()), console)
    try:
        with running(tag, work, network="bridge") as container:
            inside = ["docker", "exec", container]
            console.say("resolving the Debian packages")
            query = ["dpkg-query", "--show", "--showformat=${Package}=${Version}\n"]
            installed = read([*inside, *query], step="lock")
            read([*inside, "apt-get", "update"], step="lock", timeout=300)
            simulate = ["apt-get", "install", "--simulate", "--no-install-recommends", *packages]
            planned = read([*inside, *simulate], step="lock", timeout=300)
    finally:
        read(["docker", "image", "rm", "--force", tag], step="lock")
    versions = dict(line.split("=", 1) for line in installed.splitlines())
    return versions | parse_simulation(planned)


def parse_simulation(text: str) -> dict[str, str]:
    """Return the versions in the `Inst` lines of `apt-get --simulate`: `Inst NAME [OLD] (NEW ARCHIVE [ARCH])`."""
    lines = [line for line in text.splitlines() if line.startswith("Inst ")]
    matches = [re.match(r"Inst (\S+) (?:\[\S+\] )?\((\S+)", line) for line in lines]
    if None in matches:
        raise PracticumError(
            "lock", f"apt-get says {lines[matches.index(None)]!r}, which has no version", "is apt newer than 2.x?"
        )
    return {match[1].partition(":")[0]: match[2] for match in matches if match}
