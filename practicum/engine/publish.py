"""Files and folders that appear under their name only when they are complete."""

import errno
import hashlib
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from practicum.engine.errors import PracticumError


@dataclass(frozen=True)
class NewFile:
    """A file being written: `stream` writes to it, `path` opens the same bytes again before it has its name."""

    stream: BinaryIO
    path: Path


@contextmanager
def new_file(target: Path) -> Iterator[NewFile]:
    """Write `target` so that, whatever happens, its name holds the old file or the complete new one.

    The bytes go into a nameless file of the same folder, which the kernel frees when the process dies, SIGKILL
    included. When the block ends without an exception they are flushed to the disk and take the name; else they vanish.
    A kill in the instant between the two system calls that replace an old file leaves a complete, hidden `.NAME.new`,
    which the next call removes.

    Raises:
        PracticumError: the folder cannot be written, or the disk is full.
    """
    hidden = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        hidden.unlink(missing_ok=True)
        stream = _open_nameless(target.parent) or hidden.open("x+b")
    except OSError as error:
        raise PracticumError(
            str(target), f"cannot be written ({error.strerror})", "choose a folder you may write"
        ) from error
    named = isinstance(stream.name, str)  # a nameless file is called by its descriptor's number
    try:
        with stream:
            yield NewFile(stream, hidden if named else Path(f"/proc/self/fd/{stream.fileno()}"))
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            os.fsync(stream.fileno())
            if not named:
                _link(stream.fileno(), hidden)
            hidden.replace(target)
            sync_folder(target.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise PracticumError(str(target), "no space left on its disk", "free some and run again") from error
        raise
    finally:
        with suppress(FileNotFoundError):
            hidden.unlink()


@contextmanager
def new_file_with_checksum(target: Path) -> Iterator[NewFile]:
    """Write `target` as `new_file` does, and beside it `<target>.sha256` in the form that `sha256sum -c` reads.

    A checksum never stands beside another file than its own: the old one goes before the new file takes its name.
    """
    checksum = target.with_name(target.name + ".sha256")
    with new_file(target) as new:
        hashing = HashingWriter(new.stream)
        yield NewFile(cast(BinaryIO, hashing), new.path)
        checksum.unlink(missing_ok=True)
        sync_folder(target.parent)
    write_text(checksum, f"{hashing.digest}  {target.name}\n")


class HashingWriter(io.RawIOBase):
    """Pass bytes on, hash and count them, so that the file is not read once more for its sum."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]  # RawIOBase names no type of its own to agree with
        self._hash.update(data)
        self.size += len(data)
        self._stream.write(data)
        return len(data)

    def flush(self) -> None:
        if not self._stream.closed:
            self._stream.flush()

    @property
    def digest(self) -> str:
        """The sha256 of what was written, in hex."""
        return self._hash.hexdigest()


def write_text(target: Path, text: str) -> None:
    """Write a small UTF-8 file the same way; errors as in `new_file`."""
    with new_file(target) as new:
        new.stream.write(text.encode())


def move_folder(new: Path, target: Path) -> None:
    """Give the folder `new` the name `target`, on the same file system, in place of what stands there.

    A kill in between leaves the earlier folder beside `new`, as `<new>.earlier`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    earlier = new.with_name(f"{new.name}.earlier")
    if target.exists():  # a folder can only be renamed onto an empty one
        target.rename(earlier)
    new.rename(target)
    sync_folder(target.parent)
    shutil.rmtree(earlier, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Make the renames and removals done in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_nameless(folder: Path) -> BinaryIO | None:
    """Return a new file without a name in `folder`, None if the file system has no such thing (NFS, vboxsf, FUSE)."""
    try:
        return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600), "w+b")
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            return None
        raise


def _link(descriptor: int, name: Path) -> None:
    folder = os.open(name.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Only with a folder descriptor does Python call linkat(2) with the flag that follows the /proc link.
        os.link(f"/proc/self/fd/{descriptor}", name.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)
