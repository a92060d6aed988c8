"""The store of wheels by their digest, shared by all builds of a machine.

A file of sha256 S lies at `<store>/<S>/<filename>`.
"""

import json
import os
from pathlib import Path

from practicum.engine.cache import hash_file


def find_file(store: Path, sha256: str, filename: str) -> Path:
    """Return where a file of that digest lies in `store`, there or not."""
    return store / sha256 / filename


def is_whole(path: Path, sha256: str) -> bool:
    """Return whether `path` has the digest `sha256`.

    It is hashed again only when its size or time differ from what was recorded when it was last hashed.
    """
    try:
        recorded = json.loads(_stamp_of(path).read_text())
        if recorded == _measure(path):
            return True
    except (OSError, ValueError):
        pass
    if not path.exists() or hash_file(path) != sha256:
        return False
    remember(path)
    return True


def _stamp_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.hashed")


def _measure(path: Path) -> dict[str, int]:
    status = path.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def remember(path: Path) -> None:
    """Record that `path` has the digest of its folder's name."""
    temporary = path.with_name(f"{path.name}.hashed.{os.getpid()}")
    temporary.write_text(json.dumps(_measure(path)))
    temporary.replace(_stamp_of(path))
