"""`practicum lock`: the locks of a semester are written anew, from the indexes and archives of today."""

import os
import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from practicum.architecture import AMD64, Architecture
from practicum.commands.build import require_emulators
from practicum.commands.preflight import require_root
from practicum.engine import cache
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.engine.publish import write_text
from practicum.engine.run import read
from practicum.images.docker import ensure_docker, remove_image, running
from practicum.images.root import Root, make_root
from practicum.semester.description import Semester
from practicum.semester.folders import LEFT_OUT
from practicum.semester.locks import (
    Variant,
    find_target,
    list_debian_packages,
    list_requirements,
    place_debian_lock,
    place_lock,
)
from practicum.semester.products import TRIM_DEBIAN
from practicum.semester.values import PINNED
from practicum.wheels import cuda
from practicum.wheels.debian_lock import Packages, render_debian
from practicum.wheels.lock_text import label_of
from practicum.wheels.lockfile import LockedPackage, list_own_sources, render_lock
from practicum.wheels.resolver import Target, Wheel, list_cpu_sources, resolve


def lock_semester(semester: Semester, console: Console) -> list[Path]:
    """Write all locks of `semester` anew and return their paths; raise PracticumError, and none is written.

    Each architecture's Debian packages are asked of a base root, the programs of which must run here.
    """
    require_root()
    require_emulators(semester.built_for)
    ensure_docker()
    locks = {}
    for architecture in semester.built_for:
        for variant in semester.variants:
            path = place_lock(semester, variant, architecture)
            with console.stage(path.stem):
                locks[path] = resolve_python(semester, variant, architecture)
        path = place_debian_lock(semester, architecture)
        with console.stage(path.stem):
            locks[path] = resolve_debian(semester, architecture, console)
    for path, text in locks.items():
        write_text(path, text)
    return [*locks]


def resolve_debian(semester: Semester, architecture: Architecture, console: Console) -> str:
    """Return the lock of the Debian packages that a build of today installs for `architecture`."""
    packages = list_debian_packages(semester, architecture)
    with cache.work_folder("lock") as work:
        trim = semester.checkout / TRIM_DEBIAN
        root = Root(semester.debian.suite, trim, int(time.time()), architecture.name, architecture.variant)
        where = f"{label_of(semester.folder / 'semester.toml')}: debian"
        return render_debian(resolve_packages(root, packages, work, console, where), semester.folder.name)


def resolve_python(semester: Semester, variant: Variant, architecture: Architecture = AMD64) -> str:
    """Return the lock of the packages of `variant` for `architecture`.

    cpu takes the `+cpu` build of torch, and of torchvision where there is one. Raises PracticumError when the packages
    do not fit together, a build cannot be found or the network is down.
    """
    target = find_target(semester, architecture)
    where = f"{label_of(semester.folder / 'semester.toml')}: python.requires"
    requires = list_requirements(semester, variant, architecture)
    source: tuple[str, ...] = ()
    if variant == "cpu" and semester.has_torch:
        requires, source = _choose_cpu_builds(requires, target, where)
    source += list_own_sources(semester.folder)
    wheels = resolve(requires, target, source=source, excludes=semester.checkout / LEFT_OUT, where=where)
    if variant == "cuda" and not _is_for_cuda(wheels):
        raise PracticumError(where, "the CUDA lock met a CPU build", "remove find-links from uv's configuration")
    packages = [LockedPackage(wheel.name, wheel.version, (wheel.sha256,)) for wheel in wheels]
    return render_lock(packages, target, f"practicum lock {semester.folder.name}")


def _choose_cpu_builds(requires: list[str], target: Target, where: str) -> tuple[list[str], tuple[str, ...]]:
    """Return `requires` with torch, and torchvision if it can be had, pinned to +cpu builds; and the source of those.

    Without a +cpu torchvision the general build is locked; wheels/torchvision.py repacks it. Without a +cpu torch the
    general build is taken if it is a CPU build, too.
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
    general = [text for text in requires if canonicalize_name(Requirement(text).name) == PINNED[0]]
    with suppress(PracticumError):
        if not cuda.names_cuda(wheel.name for wheel in resolve(general, target, where=where)):
            return requires, ()
    raise PracticumError(
        where,
        f"no CPU build of torch for Python {target.python} ({reason})",
        "connect to the network, or put the wheel into a folder and name it in PIP_FIND_LINKS",
    )


def _is_for_cuda(wheels: Sequence[Wheel]) -> bool:
    """Whether torch, if any of `wheels` is it, brings CUDA, and no wheel says that it is another build."""
    names = {wheel.name for wheel in wheels}
    return not any(Version(wheel.version).local for wheel in wheels) and (
        PINNED[0] not in names or cuda.names_cuda(names)
    )


def _pin_cpu(requirement: str) -> str:
    parsed = Requirement(requirement)
    return f"{parsed.name}=={next(iter(parsed.specifier)).version}+cpu"


def resolve_packages(
    root: Root, packages: Sequence[str], work: Path, console: Console, where: str = "debian"
) -> Packages:
    """Return every package a build of today installs: base root, `packages`, what they need.

    Nothing is installed: a fresh base root asks apt. Raises PracticumError, its message beginning with `where`, when
    packages do not exist.
    """
    tag = f"practicum-lock:{os.getpid()}"
    make_root(root, tag, work, console)
    try:
        with running(tag, work, network="bridge") as container:
            inside = ["docker", "exec", container]
            console.say("resolving the Debian packages")
            query = ["dpkg-query", "--show", "--showformat=${Package}=${Version}\n"]
            installed = read([*inside, *query], step="lock")
            read([*inside, "apt-get", "update"], step="lock", timeout=300)
            offered = read([*inside, "apt-cache", "madison", *packages], step="lock", timeout=300) if packages else ""
            if unknown := list_unknown(packages, offered):
                reason = f"{root.suite} for {root.architecture} has no package {', '.join(unknown)}"
                raise PracticumError(where, reason, "take names that `apt-cache search` prints")
            simulate = ["apt-get", "install", "--simulate", "--no-install-recommends", *packages]
            planned = read([*inside, *simulate], step="lock", timeout=300)
    finally:
        remove_image(tag)
    base = dict(line.split("=", 1) for line in installed.splitlines())
    return Packages(base, base | parse_simulation(planned))


def list_unknown(packages: Iterable[str], offered: str) -> list[str]:
    """Return those of `packages` that the archive does not have: a virtual package has no version of its own.

    offered: what `apt-cache madison` printed of all of them, lines `name | version | archive`.
    """
    known = {line.partition("|")[0].strip() for line in offered.splitlines()}
    return [name for name in packages if name not in known]


def parse_simulation(text: str) -> dict[str, str]:
    """Return the versions in the `Inst` lines of `apt-get --simulate`: `Inst NAME [OLD] (NEW ARCHIVE [ARCH])`."""
    lines = [line for line in text.splitlines() if line.startswith("Inst ")]
    matches = [re.match(r"Inst (\S+) (?:\[\S+\] )?\((\S+)", line) for line in lines]
    if None in matches:
        raise PracticumError(
            "lock", f"apt-get says {lines[matches.index(None)]!r}, which has no version", "is apt newer than 2.x?"
        )
    return {match[1].partition(":")[0]: match[2] for match in matches if match}
