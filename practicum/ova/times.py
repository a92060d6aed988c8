"""Times in a file system: they follow from its files, not from the moment of the build."""

import os
import re
from pathlib import Path

from practicum.engine.errors import ProgramFailed
from practicum.engine.run import read, run

ROOT_INODE, FIRST_INODE = 2, 11
"""Of ext4: the inode of the root folder, and the first that is not reserved (s_first_ino of e2fsprogs)."""


def clamp(tree: Path, epoch: int, log: Path) -> None:
    """Date every file, folder and link of `tree` that is younger than `epoch` (seconds since 1970) back to it.

    Only what a build wrote is younger, and would differ at each build: what a package brings keeps the package's time.
    """
    run(clamp_argv(tree, epoch), step="times", log=log)


def clamp_argv(tree: Path, epoch: int) -> list[str]:
    touch = ["touch", "--no-dereference", "--no-create", f"--date=@{epoch}", "{}", "+"]
    return ["find", os.fspath(tree), "-newermt", f"@{epoch}", "-exec", *touch]


def settle_inodes(raw: Path, start: int, epoch: int, script: Path, log: Path) -> None:
    """Set the two times of each inode that mke2fs takes from the build's own files: the change and the last access.

    raw: the disk. start: where the file system begins, in bytes. script: a file for debugfs's commands. mke2fs 1.47.0
    numbers the inodes of a tree without a gap, so the number in use tells which they are.
    """
    place = f"{raw}?offset={start}"
    used = count_inodes(read(["dumpe2fs", "-h", place], step="times"))
    script.write_text(render_settling(used, epoch))
    done = run(["debugfs", "-w", "-f", os.fspath(script), place], step="times", log=log, env=fake_time(epoch))
    if refused := [line for line in done.tail if re.search(r"sif: |Bad |not found", line)]:
        raise ProgramFailed("times", f"debugfs says {refused[0]}", log)
    script.unlink()


def count_inodes(superblock: str) -> int:
    """Return how many inodes are in use, by what `dumpe2fs -h` printed."""
    told = {key: int(re.findall(rf"(?m)^{key}: +(\d+)$", superblock)[0]) for key in ("Inode count", "Free inodes")}
    return told["Inode count"] - told["Free inodes"]


def render_settling(used: int, epoch: int) -> str:
    """Return the commands of debugfs for a file system of which `used` inodes are in use."""
    inodes = (ROOT_INODE, *range(FIRST_INODE, used + 1))
    return "".join(f"sif <{inode}> {field} @{epoch}\n" for inode in inodes for field in ("ctime", "atime"))


def fake_time(epoch: int) -> dict[str, str]:
    """Return the environment in which e2fsprogs take `epoch` for the present."""
    return {"E2FSPROGS_FAKE_TIME": str(epoch)}
