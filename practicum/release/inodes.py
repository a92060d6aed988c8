"""In which fields of which inodes two ext4 file systems differ, when all their files are equal."""

import os
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from practicum.engine.run import read
from practicum.release.entries import Difference

STAGE = "disk"
"""The stage that makes the file systems."""

INODE = 256
"""Bytes of an inode, as mke2fs makes it by default: the unit in which two file systems are compared."""

ROOT_INODE = 2
"""The inode of an ext4's own top folder, for which debugfs tells no path."""

NAMED = 10
"""Inodes whose paths are looked up."""

TIMEOUT = 600.0
"""Seconds for debugfs to look up the paths of inodes."""

INODE_FIELDS = {
    0: "mode", 2: "uid", 4: "size", 8: "atime", 12: "ctime", 16: "mtime", 20: "dtime", 24: "gid", 26: "links",
    28: "blocks", 32: "flags", 36: "version", 40: "extents", 100: "generation", 104: "acl", 108: "size",
    112: "fragment", 116: "blocks", 118: "acl", 120: "uid", 122: "gid", 124: "checksum", 126: "reserved",
    128: "extra size", 130: "checksum", 132: "ctime", 136: "mtime", 140: "atime", 144: "crtime", 152: "version",
    156: "project", 160: "xattrs",
}  # fmt: skip
"""First byte of each field of an ext4 inode (Linux, "ext4 Data Structures and Algorithms", struct ext4_inode)."""


@dataclass(frozen=True)
class Slot:
    """INODE bytes of two file systems, which hold an inode each if an inode table is there; offset: in bytes."""

    offset: int
    a: bytes
    b: bytes


@dataclass(frozen=True)
class Geometry:
    """Where an ext4 has its inodes: bytes of a block and of an inode, inodes per group, first block of each table."""

    block: int
    inode: int
    per_group: int
    tables: tuple[int, ...]

    @classmethod
    def parse(cls, stats: str) -> "Geometry":
        """Read what debugfs prints for `stats`."""
        told = {key: int(value) for key, value in re.findall(r"^([A-Z][\w ]+):\s+(\d+)$", stats, re.MULTILINE)}
        tables = tuple(int(block) for block in re.findall(r"inode table at (\d+)", stats))
        return cls(told["Block size"], told["Inode size"], told["Inodes per group"], tables)

    def find_inode(self, offset: int) -> int:
        """Return the number of the inode whose bytes include byte `offset`; 0 when there is none."""
        for group, table in enumerate(self.tables):
            index = (offset - table * self.block) // self.inode
            if 0 <= index < self.per_group:
                return group * self.per_group + index + 1
        return 0


def compare_inodes(slots: Iterable[Slot], name: str, image: Path) -> list[Difference]:
    """Return in which fields of which inodes two ext4 with equal files differ, and in which other blocks.

    slots: those that differ. name: of the partition. image: A's file system as a file.
    """
    geometry = Geometry.parse(read(["debugfs", "-R", "stats", os.fspath(image)], step=f"reading {name}"))
    inodes: dict[int, str] = {}
    blocks: dict[str, None] = {}  # a set that keeps the order
    for slot in slots:
        number = geometry.find_inode(slot.offset) if geometry.inode == INODE else 0
        if number:
            inodes[number] = ", ".join(name_fields(slot.a, slot.b))
        else:
            blocks["superblock" if slot.offset // 1024 == 1 else f"block {slot.offset // geometry.block}"] = None
    paths = find_paths(image, list(islice(inodes, NAMED))) if inodes else {}
    equal = "all files are equal"
    return [
        *(Difference(STAGE, f"{name}, {block}", f"differs, {equal}") for block in blocks),
        *(
            Difference(STAGE, paths.get(number, f"{name}, inode {number}"), f"inode {number}: {fields}, {equal}")
            for number, fields in inodes.items()
        ),
    ]


def name_fields(a: bytes, b: bytes) -> list[str]:
    """Return the fields in which two inodes differ; a checksum counts only when nothing else differs."""
    starts = sorted(INODE_FIELDS)
    changed = (byte for byte, (one, other) in enumerate(zip(a, b, strict=True)) if one != other)
    fields = list(dict.fromkeys(INODE_FIELDS[starts[bisect_right(starts, byte) - 1]] for byte in changed))
    return [name for name in fields if name != "checksum"] or fields


def find_paths(image: Path, inodes: list[int]) -> dict[int, str]:
    """Return the path of each inode that has one."""
    numbers = " ".join(map(str, inodes))
    answer = read(["debugfs", "-R", f"ncheck {numbers}", os.fspath(image)], step="looking up paths", timeout=TIMEOUT)
    found = re.findall(r"^(\d+)\t(.*)$", answer, re.MULTILINE)
    return {ROOT_INODE: "/"} | {int(number): re.sub("^/+", "/", path) for number, path in found}
