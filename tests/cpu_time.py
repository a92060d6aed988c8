"""What a program costs: CPU seconds, which a neighbour cannot change as it changes the clock; and whether it waits."""

import fcntl
import os
import resource
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

TICKS = os.sysconf("SC_CLK_TCK")


def run_counted(
    argv: Sequence[str | os.PathLike[str]], **options: Any
) -> tuple["subprocess.CompletedProcess[str]", float]:
    """Runs a program to its end; returns also the CPU seconds (user + sys) that it and what it waited for took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def cpu_seconds_of(pid: int) -> float:
    """Returns the CPU seconds (user + sys) of a process so far, those of the children it waited for left out."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def forbid_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test when this process sleeps, or asks for a lock of a file in the way that waits for it."""
    lock = fcntl.flock

    def ask(descriptor: int, operation: int) -> None:
        assert operation & (fcntl.LOCK_NB | fcntl.LOCK_UN), "it waits for a lock"
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", ask)
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail(f"it sleeps for {seconds} s"))
