"""What a machine needs for a build, looked at all at once: a list beats finding one obstacle after another."""

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from practicum.architecture import Architecture
from practicum.commands import sources
from practicum.commands.build import require_emulators
from practicum.engine import cache, stages
from practicum.engine.errors import PracticumError
from practicum.engine.run import read
from practicum.engine.stage import Stage
from practicum.engine.tools import require
from practicum.images.docker import ensure_docker
from practicum.images.stage import ImageStage
from practicum.recipes.archive import UNBUILT
from practicum.recipes.base import Base
from practicum.recipes.wheels import Wheels
from practicum.semester import products
from practicum.semester.description import Semester
from practicum.semester.locks import Variant

MEMORY = 3 * 10**9
"""Bytes of memory and swap; packing the Python set and compressing the disk on two cores stay well below."""


@dataclass(frozen=True)
class Finding:
    """One requirement: whether it is met, and what was found or what to do."""

    subject: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Build:
    """What is to be built.

    goals: of "ova", "docker" and "archive". variants: of the images. architectures: for which each is built.
    """

    semester: Semester
    goals: tuple[str, ...]
    variants: tuple[Variant, ...]
    architectures: tuple[Architecture, ...]

    def list_stages(self) -> list[Stage]:
        """Return the stages in the order in which they run; raises PracticumError where a lock does not fit."""
        listed: list[Sequence[Stage]] = []
        if "ova" in self.goals:
            listed += [products.list_ova(self.semester, one) for one in self.architectures]
        for variant in self.variants:
            if "docker" in self.goals:
                listed += [products.list_image(self.semester, variant, one) for one in self.architectures]
            if "archive" in self.goals:
                listed += [products.list_archive(self.semester, variant, self.architectures)]
        return products.merge(listed)


def inspect(build: Build) -> list[Finding]:
    """Return what was found of every requirement of `build`, and change nothing.

    Each is looked at, whatever another one lacks: without a lock that fits, what `practicum lock` needs. To ask for
    every wheel of a build from nothing takes half a minute.
    """
    listed: list[Stage] = []

    def list_stages() -> str:
        listed.extend(build.list_stages())
        return f"fit the description of semester {build.semester.id}"

    locks = judge("locks", list_stages)
    missing = find_missing(listed)
    looks: list[tuple[str, Callable[[], str]]] = [
        ("tools", lambda: find_tools(listed)),
        ("disk", lambda: find_space(listed, missing)),
        ("memory", find_memory),
        ("docker", find_docker),
        ("images", lambda: find_space_for_images(missing)),
        *(("emulator", lambda one=one: find_emulator(one)) for one in build.architectures if not one.is_native),
        ("wheels", lambda: sources.find_wheels(missing) if listed else sources.find_index(build.semester)),
        ("packages", lambda: sources.find_packages(missing if listed else None, build.semester.debian.suite)),
    ]
    return [judge("root", find_root), locks, *(judge(subject, look) for subject, look in looks)]


def judge(subject: str, look: Callable[[], str]) -> Finding:
    """Return what `look` tells of a subject, or why it raised PracticumError or OSError."""
    try:
        return Finding(subject, True, look())
    except PracticumError as error:
        return Finding(subject, False, str(error).removeprefix(f"{subject}: "))
    except OSError as error:
        return Finding(subject, False, f"{error.filename or subject}: {error.strerror or type(error).__name__}")


def find_missing(listed: Sequence[Stage]) -> list[Stage]:
    """Return the stages that will run; those of which docker tells nothing are among them."""

    def is_missing(stage: Stage) -> bool:
        try:
            return bool(stages.find_fault(stage))
        except (PracticumError, OSError):
            return True

    with ThreadPoolExecutor(stages.LOOKS) as pool:
        return [stage for stage, gone in zip(listed, pool.map(is_missing, listed), strict=True) if gone]


def find_root() -> str:
    require_root()
    return "yes"


def require_root() -> None:
    """Raise PracticumError for every other user."""
    if os.geteuid() != 0:
        raise PracticumError("root", "this makes namespaces and files of other owners", "run it as root: sudo -i")


def find_tools(listed: Sequence[Stage]) -> str:
    """Look for what the stages need; for what a lock needs if there are none."""
    tools = dict.fromkeys(tool for stage in listed for tool in stage.needs) or dict.fromkeys(Base.tools)
    require(*tools)
    return f"{len(tools)} found{'' if listed else ', for practicum lock'}"


def find_space(listed: Sequence[Stage], missing: Sequence[Stage]) -> str:
    """Look whether the disk of the cache has the space that the missing stages need."""
    needed = sum(stage.measure_space() for stage in missing) if listed else Base.space
    todo = f"{len(missing)} of {len(listed)} stages" if listed else "practicum lock"
    cache.require_space(cache.locate(), needed, todo)
    return f"{todo}: {_describe_free(cache.locate(), needed)}"


def find_space_for_images(missing: Sequence[Stage]) -> str:
    """Look whether docker's own disk has the space for the images of the missing stages."""
    made = [stage for stage in missing if isinstance(stage, ImageStage)]
    kinds = {(stage.suffix, "cuda" if "cuda" in stage.name else "cpu") for stage in made if isinstance(stage, Wheels)}
    needed = sum(UNBUILT[kind] for _, kind in kinds) + len(made) * ImageStage.space
    folder = Path(read(["docker", "info", "--format", "{{.DockerRootDir}}"], step="docker", timeout=30).strip())
    if not folder.is_dir():  # of a docker elsewhere
        return f"{cache.format_bytes(needed)} needed where docker runs"
    cache.require_space(folder, needed, "layers in docker")
    return f"{cache.format_bytes(shutil.disk_usage(folder).free)} free in {folder}, {cache.format_bytes(needed)} needed"


def find_memory() -> str:
    """Look for memory and swap."""
    memory = cache.format_bytes(_read_memory())
    if _read_memory() < MEMORY:
        reason = f"{memory} of memory and swap, {cache.format_bytes(MEMORY)} needed"
        raise PracticumError("", reason, "add swap")
    return memory


def find_docker() -> str:
    ensure_docker()
    return "reachable"


def find_emulator(architecture: Architecture) -> str:
    require_emulators([architecture])
    return f"registered for {architecture.name}"


def _describe_free(folder: Path, needed: int) -> str:
    """Return what is free where `folder` is or will be; raises PracticumError where it cannot be made."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise PracticumError("", f"{there} cannot be written", "set XDG_CACHE_HOME to a folder that you may write")
    free = cache.format_bytes(shutil.disk_usage(there).free)
    return f"{free} free in {there}, {cache.format_bytes(needed)} needed"


def _read_memory() -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return sum(int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "SwapTotal"))
