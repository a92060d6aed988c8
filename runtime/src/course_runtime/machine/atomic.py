"""Files that hold all of their new content, or all of the old."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

TEMPORARY_PREFIX, TEMPORARY_SUFFIX = ".~", ".tmp"


def write_atomically(path: Path, data: bytes, *, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Make `path` hold `data` with `mode` and `owner` (uid, gid): complete and on disk, or as it was before."""
    descriptor, name = mkstemp(prefix=TEMPORARY_PREFIX, suffix=TEMPORARY_SUFFIX, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            if owner:
                os.fchown(file.fileno(), *owner)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    fsync_path(path.parent)


def fsync_path(path: Path) -> None:
    """Wait until the file or folder `path` is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
