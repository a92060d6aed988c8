"""What one look at the machine found, and how it is told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata

from course_runtime.machine.machine import Machine

OK, WARNING, FAILURE = "ok", "warning", "failure"
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Finding:
    """What one look at the machine found; a cure goes with everything that is not ok."""

    name: str
    status: str
    detail: str
    cure: str = ""


Check = Callable[[Machine], Iterator[Finding]]


def format_finding(finding: Finding) -> str:
    """Return `finding` as a line, and a second one with its cure."""
    line = f"{finding.status:<8} {finding.name:<12} {finding.detail}"
    return f"{line}\n{'':<9}{'':<12} -> {finding.cure}" if finding.cure else line


def find_version(package: str) -> str:
    """Return the installed version of `package`, "" when it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
