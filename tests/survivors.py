"""What a killed build may leave behind, looked up in /proc."""

import fcntl
import os
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

MARK = "PRACTICUM_TEST_MARK"
"""Environment variable a test gives its processes: children inherit it, and reparenting does not hide it."""


HANG = 300.0
"""Seconds after which a wait counts as a hang. It promises nothing of speed: a busy host takes what it takes."""


def wait_until(condition: Callable[[], object], seconds: float = HANG, pause: float = 0.01) -> None:
    """Polls until `condition` holds; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {seconds} s: {condition}"
        time.sleep(pause)


def is_free(path: Path) -> bool:
    """Tells whether nobody holds the lock on the file exclusively."""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


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


def listeners_of(mark: str) -> set[str]:
    """Returns the IP addresses on which processes that carry the mark listen for TCP connections."""
    addresses = _listening_sockets()
    found = set()
    for process in (line.split()[0] for line in marked_processes(mark)):
        with suppress(OSError):  # it ended meanwhile
            for link in list(Path(f"/proc/{process}/fd").iterdir()):
                with suppress(OSError, KeyError):
                    found.add(addresses[os.readlink(link)])  # noqa: PTH115 - "socket:[inode]" is no path
    return found


def _listening_sockets() -> dict[str, str]:
    """Returns the address of each listening socket by its link text; fields of proc(5), in the host's byte order."""
    found = {}
    for family, table in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                words = struct.unpack(f"={len(fields[1].split(':')[0]) // 8}L", bytes.fromhex(fields[1].split(":")[0]))
                found[f"socket:[{fields[9]}]"] = socket.inet_ntop(family, struct.pack(f">{len(words)}L", *words))
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
