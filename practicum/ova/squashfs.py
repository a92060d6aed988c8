"""The Python environment as a squashfs: read-only, and compressed on the student's disk too."""

import os
from pathlib import Path

from practicum.engine.run import run

PYTHON_PLACE = "opt/venv"
"""Folder of the root tree that the squashfs is mounted on, by its partition's label (ansible's fstab)."""

SQUASH_BLOCK = "1M"
SQUASH_LEVEL = 15
"""zstd level and block size; docs/architecture.md has what the choice gains."""


def write_squashfs(folder: Path, out: Path, *, epoch: int, log: Path) -> None:
    """Write the read-only file system `out` from `folder`: the same bytes for the same tree and epoch."""
    run(squashfs_argv(folder, out, epoch), step="python", log=log)


def squashfs_argv(folder: Path, out: Path, epoch: int) -> list[str]:
    return [
        "mksquashfs", os.fspath(folder), os.fspath(out), "-noappend", "-no-progress", "-quiet", "-all-root",
        "-comp", "zstd", "-Xcompression-level", str(SQUASH_LEVEL), "-b", SQUASH_BLOCK, "-mkfs-time", str(epoch),
    ]  # fmt: skip
