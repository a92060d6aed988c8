"""What a killed build may leave behind, looked up in /proc."""

import os
import time
from collections.abc import Callable
from pathlib import Path

MARK = "PRACTICUM_TEST_MARK"
"""Environment variable a test gives its processes: children inherit it, and reparenting does not hide it."""


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Polls until `condition` holds; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {seconds} s: {condition}"
        time.sleep(0.01)


def marked_processes(mark: str) -> list[str]:
    """Returns "pid command line" of every live process that carries the mark, zombies left out."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(f"{process.name} {(process / 'cmdline').read_bytes()!r}")
        except OSError:  # it ended meanwhile; the environment of a zombie is empty
            continue
    return found


def mounts_under(folder: Path) -> list[str]:
    """Returns the mount lines, of this or any other process's namespace, that name `folder`."""
    found = set()
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            found.update(line for line in table.read_text().splitlines() if os.fspath(folder) in line)
        except OSError:
            continue
    return sorted(found)
