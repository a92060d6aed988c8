"""Reads the root file system of a disk image with debugfs: no mount, no loop device, no boot."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import pytest

# The lines `ls -p` of debugfs(8) prints: /inode/mode/uid/gid/name/size/, without a size for a folder.
ENTRY = re.compile(r"^/(\d+)/(\d+)/(\d+)/(\d+)/([^/]*)/(\d*)/$")
ROOT_INODE = 2


@dataclass(frozen=True)
class Entry:
    """One name in the file system: `mode` as in stat(2), `size` in bytes (0 for a folder)."""

    inode: int
    mode: int
    uid: int
    gid: int
    size: int

    @property
    def permissions(self) -> int:
        return stat.S_IMODE(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)


@dataclass(frozen=True)
class FileSystem:
    """The ext4 file system in the raw image `disk`: its largest partition, or all of it."""

    disk: Path

    @cached_property
    def place(self) -> tuple[int, int]:
        """Offset and size in bytes of the file system in `disk`, which is the whole file if it has no partitions."""
        shown = subprocess.run(["sfdisk", "--json", str(self.disk)], capture_output=True, text=True)
        if shown.returncode:
            return 0, self.disk.stat().st_size
        table = json.loads(shown.stdout)["partitiontable"]
        largest = max(table["partitions"], key=lambda partition: partition["size"])
        return largest["start"] * table["sectorsize"], largest["size"] * table["sectorsize"]

    @property
    def location(self) -> str:
        """The image and the file system's place in it, as e2fsprogs take them."""
        return f"{self.disk}?offset={self.place[0]}"

    def recover(self, overlay: Path, target: Path) -> FileSystem:
        """Return the file system as a machine that lost its power finds it at its next start, written to `target`.

        `overlay` holds, as qcow2, what the machine wrote over `disk`; its journal is replayed.
        """
        subprocess.run(["qemu-img", "convert", "-O", "raw", str(overlay), str(target)], check=True)
        offset, _ = self.place
        # e2fsck replays a journal only in a file that begins with the file system.
        cut = ["fallocate", "--collapse-range", "--offset=0", f"--length={offset}", str(target)]
        done = subprocess.run(cut, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"the file system of {target.parent} cannot cut a file at its front: {done.stderr.strip()}")
        command = ["e2fsck", "-E", "journal_only", "-f", "-y", str(target)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: mended
        return FileSystem(target)

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Every file and folder by absolute path, read level by level."""
        found: dict[str, Entry] = {}
        level = {ROOT_INODE: PurePosixPath("/")}
        while level:
            below: dict[int, PurePosixPath] = {}
            for parent, entry, name in self._list(list(level)):
                path = level[parent] / name
                found[str(path)] = entry
                if entry.is_folder:
                    below[entry.inode] = path
            level = below
        return found

    def read(self, path: str) -> bytes:
        """Content of one file; raises KeyError when there is none."""
        return self._debugfs(f"cat <{self.entries[path].inode}>\n", echo=False)

    def _list(self, folders: list[int]) -> list[tuple[int, Entry, str]]:
        """(folder's inode, entry, name) of everything in the folders."""
        answer = self._debugfs("".join(f"ls -p <{inode}>\n" for inode in folders), echo=True).decode(errors="replace")
        listed, folder = [], 0
        for line in answer.splitlines():
            if command := re.match(r"debugfs: ls -p <(\d+)>", line):
                folder = int(command[1])
            elif (match := ENTRY.match(line)) and match[5] not in (".", ".."):
                inode, mode, uid, gid = int(match[1]), int(match[2], 8), int(match[3]), int(match[4])
                if inode:
                    listed.append((folder, Entry(inode, mode, uid, gid, int(match[6] or 0)), match[5]))
        return listed

    def _debugfs(self, commands: str, *, echo: bool) -> bytes:
        """debugfs repeats commands it reads from a file, and only those: a single one goes on the command line."""
        request = ["-f", "/dev/stdin"] if echo else ["-R", commands.strip()]
        return subprocess.run(
            ["debugfs", *request, self.location], input=commands.encode(), check=True, capture_output=True
        ).stdout
