"""What one look at the machine found, and how it is told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata

from course_runtime.machine.machine import Machine

OK, WARNING, FAILURE = "ok", "warning", "failure"
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Observation:
    """What one look at the machine found; a remedy goes with everything that is not ok."""

    name: str
    status: str
    detail: str
    remedy: str = ""


Check = Callable[[Machine], Iterator[Observation]]


def format_observation(observation: Observation) -> str:
    """Return `observation` as a line, and a second one with its remedy."""
    line = f"{observation.status:<8} {observation.name:<12} {observation.detail}"
    return f"{line}\n{'':<9}{'':<12} -> {observation.remedy}" if observation.remedy else line


def find_version(package: str) -> str:
    """Return the installed version of `package`, "" when it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
