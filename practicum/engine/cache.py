"""The cache outside the checkout: locks, digests, free space and work folders.

A lock is a flock, which the kernel drops when its process dies by whatever cause; the text in the lock file only says
whom to blame. What lies in a work folder whose lock is free is therefore garbage, and `sweep` removes it.
"""

import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path

from practicum.engine.errors import PracticumError

IGNORED = ("__pycache__", "*.pyc", ".ipynb_checkpoints", ".DS_Store")
"""Names that never are content: what Python, Jupyter and file managers leave behind."""


class Busy(PracticumError):
    """Another process holds the lock (exit code 75, EX_TEMPFAIL of sysexits.h: try again later)."""

    exit_code = 75


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: process id, start as local ISO 8601 time, purpose (free text), scope (usually a semester)."""

    pid: int
    since: str
    purpose: str
    scope: str = ""

    def __str__(self) -> str:
        return f"process {self.pid} ({self.purpose}) since {self.since}"


Patience = Callable[[Holder | None], bool]


def impatient(_holder: Holder | None) -> bool:
    return False


def patient(_holder: Holder | None) -> bool:
    return True


def locate() -> Path:
    """Return the path of the cache folder, `$XDG_CACHE_HOME/practicum` or `~/.cache/practicum`."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says to ignore a relative path.
    return (Path(home) if home.startswith("/") else Path.home() / ".cache") / "practicum"


def root() -> Path:
    """Return the cache folder, made if absent."""
    folder = locate()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def lock(name: str, purpose: str, *, scope: str = "", wait: Patience = impatient) -> Iterator[Holder]:
    """Hold the lock `<cache>/locks/<name>.lock`.

    When another process holds it, `wait` is asked with what is known of the holder: True waits for the end of the
    holder, False raises Busy at once.
    """
    with hold(root() / "locks" / f"{name}.lock", purpose, scope=scope, wait=wait) as holder:
        yield holder


@contextmanager
def hold(path: Path, purpose: str, *, scope: str = "", wait: Patience = impatient) -> Iterator[Holder]:
    """Hold the lock file `path` alone among threads and processes; `wait` as in `lock`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _acquire(path, purpose, wait)
    try:
        holder = Holder(os.getpid(), datetime.now().astimezone().isoformat(timespec="seconds"), purpose, scope)
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(asdict(holder)).encode(), 0)
        yield holder
    finally:
        path.unlink(missing_ok=True)  # while still held: whoever waits on this file sees that its name is gone
        os.close(handle)


@contextmanager
def work_folder(stage: str) -> Iterator[Path]:
    """Make `<cache>/work/<stage>-<id>/` under a held lock and remove it, or what is left of it, at the end."""
    folder = root() / "work" / f"{stage}-{secrets.token_hex(4)}"
    with hold(_lock_beside(folder), f"work of {stage}"):
        folder.mkdir()
        try:
            yield folder
        finally:
            remove_tree(folder)


def sweep() -> list[Path]:
    """Remove the work folders of processes that died, and return them."""
    swept = []
    work = root() / "work"
    for folder in sorted(work.iterdir()) if work.is_dir() else []:
        if folder.is_symlink() or not folder.is_dir():
            continue
        with suppress(Busy), hold(_lock_beside(folder), "removing what a killed build left"):
            remove_tree(folder)
            swept.append(folder)
    return swept


REMOVALS = 200
"""Attempts, 0.1 s apart, to remove a folder that is still written to: a busy machine ends a killed build late."""


def remove_tree(folder: Path) -> None:
    """Remove a tree without following links; refuses, before touching anything, when a file system is mounted in it.

    Raises PracticumError naming the mount point.
    """
    if folder.is_symlink() or not folder.exists():
        return
    if mounts := [point for point in _mount_points() if point.is_relative_to(folder.resolve())]:
        raise PracticumError(str(folder), f"{mounts[0]} is a mount point, not removing it", f"run: umount {mounts[0]}")
    for attempt in range(REMOVALS):
        try:
            shutil.rmtree(folder)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            # The kernel may still be ending the writers of a build that was killed a moment ago.
            if error.errno != errno.ENOTEMPTY or attempt == REMOVALS - 1:
                raise PracticumError(str(folder), f"cannot remove it: {error.strerror}", "remove it by hand") from error
            time.sleep(0.1)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file as 64 lower-case hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_tree(path: Path, ignore: Sequence[str] = IGNORED) -> str:
    """Return the SHA-256 over names, kinds, executable bits, link targets and contents of a file or a folder.

    Times, owners, the other mode bits and empty folders (which git does not carry) do not count. `ignore` holds shell
    patterns for single names; a folder that matches is left out whole. Raises PracticumError when `path` is absent or
    holds a socket, pipe or device.
    """
    if not path.exists():
        raise PracticumError(str(path), "no such file or folder, yet the build reads it", f"run: git restore {path}")
    digest = hashlib.sha256()
    for entry in _walk(path, ignore) if path.is_dir() else [path]:
        name = entry.relative_to(path).as_posix() if entry != path else "."
        digest.update(f"{name}\0{_describe_entry(entry)}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def require_space(path: Path, needed: int, purpose: str) -> None:
    """Raise PracticumError when fewer than `needed` bytes are free where `path` is or will be."""
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise PracticumError(
            purpose,
            f"needs {format_bytes(needed)} free in {there}, where {format_bytes(free)} are",
            "free some, run `practicum prune`, or set XDG_CACHE_HOME to a larger disk",
        )


def format_bytes(count: int) -> str:
    """Return a count of bytes for people, in decimal units as disks are sold."""
    if count < 1000:
        return f"{count} bytes"
    power = min((len(str(count)) - 1) // 3, 4)
    return f"{count / 1000**power:.1f} {'kMGT'[power - 1]}B"


def _acquire(path: Path, purpose: str, wait: Patience) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _flock(handle, path, purpose, wait)
            with suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(handle).st_ino:
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _flock(handle: int, path: Path, purpose: str, wait: Patience) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _read_holder(path)
        if not wait(holder):
            told = holder or "another process"
            raise Busy(purpose, f"{told} is at it", "wait until it ends, then run this again") from None
        fcntl.flock(handle, fcntl.LOCK_EX)


def _read_holder(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _lock_beside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _mount_points() -> list[Path]:
    # Field 5 of proc_pid_mountinfo(5), where blanks are written as octal escapes.
    lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    return [Path(os.fsdecode(line.split(b" ")[4].decode("unicode_escape").encode("latin-1"))) for line in lines]


def _walk(folder: Path, ignore: Sequence[str]) -> Iterator[Path]:
    for entry in sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name)):
        if any(fnmatch(entry.name, pattern) for pattern in ignore):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry, ignore)
        else:
            yield entry


def _describe_entry(path: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"link {os.readlink(path)}"  # noqa: PTH115 (a path object would drop a trailing slash)
    if stat.S_ISREG(mode):
        return f"{'program' if mode & 0o111 else 'file'} {hash_file(path)}"
    raise PracticumError(str(path), "neither file, folder nor link", "remove it")
