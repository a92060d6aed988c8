"""What two stream-optimised disks differ in, partition by partition, and in which files of a partition.

The disks stay compressed where they are. A partition that differs is written to the cache and unpacked there, one
side after the other, by unsquashfs or debugfs; nothing is mounted.
"""

import os
import re
import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from practicum.engine.cache import remove_tree
from practicum.engine.progress import Console
from practicum.engine.run import read, run
from practicum.ova.squashfs import PYTHON_PLACE
from practicum.ova.vmdk_format import DIRECTORY_AT_END, GRAIN, GRAIN_MARKER, GRAIN_SECTORS, MAGIC, SECTOR
from practicum.ova.vmdk_reader import (
    GrainRecord,
    Source,
    VmdkError,
    inflate_grain,
    read_descriptor,
    read_directory,
    read_footer,
    read_header,
    read_tables,
)
from practicum.release.entries import Difference, compare_listings, compare_values, list_folder

STAGE = "disk"

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
class Region:
    """A partition, or what lies beside the partitions: its name, its first byte and the byte behind its last."""

    name: str
    start: int
    end: int


class Disk:
    """A stream-optimised VMDK, of which any bytes can be read; raises VmdkError."""

    def __init__(self, source: Source) -> None:
        self._source = source
        header = read_header(source)
        if (header.magic, header.grain_sectors) != (MAGIC, GRAIN_SECTORS):
            raise VmdkError("it is no VMDK with grains of 64 KiB")
        self.descriptor = read_descriptor(source, header)
        self.size = header.capacity * SECTOR
        at_end = header.directory_offset == DIRECTORY_AT_END
        directory = read_footer(source).directory_offset if at_end else header.directory_offset
        tables = read_tables(source, read_directory(source, header, directory))
        self._grains = {lba // GRAIN_SECTORS: sector for lba, sector in tables.items()}

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the disk; what no grain holds reads as zeros."""
        first, last = offset // GRAIN, (offset + length - 1) // GRAIN
        data = b"".join(self._read_grain(number) for number in range(first, last + 1))
        return data[offset - first * GRAIN :][:length]

    def list_chunks(self, region: Region) -> set[int]:
        """Return the numbers of those chunks of a region, GRAIN bytes each, that may hold more than zeros."""
        low, high = region.start // GRAIN, -(-region.end // GRAIN)
        starts = [number * GRAIN - region.start for number in self._grains if low <= number < high]
        return {chunk for start in starts for chunk in (start // GRAIN, -(-start // GRAIN)) if chunk >= 0}

    def read_chunk(self, region: Region, chunk: int) -> bytes:
        """Return one chunk of a region; the last one may be short."""
        start = region.start + chunk * GRAIN
        return self.read(start, min(GRAIN, region.end - start)) if start < region.end else b""

    @cached_property
    def regions(self) -> dict[str, Region]:
        """Name -> region: what lies before the first partition, each partition, what lies behind the last."""
        found = read_partitions(self.read(SECTOR, 33 * SECTOR)) or [Region("whole disk", 0, self.size)]
        before = Region("boot sector and partition table", 0, found[0].start)
        behind = Region("second partition table", found[-1].end, self.size)
        return {region.name: region for region in (before, *found, behind) if region.start < region.end}

    def _read_grain(self, number: int) -> bytes:
        sector = self._grains.get(number, 0)
        if sector < 2:  # a table says 0 for a grain that is not stored, 1 for one of zeros
            return bytes(GRAIN)
        lba, size = GRAIN_MARKER.unpack_from(self._source.read(sector, SECTOR))
        stream = self._source.read(sector, GRAIN_MARKER.size + min(size, 2 * GRAIN))[GRAIN_MARKER.size :]
        return inflate_grain(GrainRecord(sector, lba, size, stream))


def read_partitions(table: bytes) -> list[Region]:
    """Return the partitions of a GPT in the order of the disk; [] when there is no GPT.

    table: 33 sectors from the second one of the disk on (UEFI specification, GUID Partition Table).
    """
    if table[:8] != b"EFI PART":
        return []
    regions = []
    for start in range(SECTOR, len(table), 128):
        first, last = struct.unpack_from("<QQ", table, start + 32)
        if last:
            name = table[start + 56 : start + 128].decode("utf-16-le", "replace").rstrip("\0")
            regions.append(Region(name, first * SECTOR, (last + 1) * SECTOR))
    return sorted(regions, key=lambda region: region.start)


def compare_disks(a: Disk, b: Disk, work: Path, console: Console) -> list[Difference]:
    """Return the differences of two disks, those of the VMDK's own text when their contents are equal.

    work: an empty folder.

    Raises VmdkError for a damaged disk, PracticumError where a file system cannot be unpacked.
    """
    found = compare_values(STAGE, _describe_regions(a), _describe_regions(b))
    for name in (name for name in a.regions if name in b.regions):
        offset = next(iter(list_slots(a, b, name)), None)
        if offset is not None:
            found += compare_regions(a, b, name, offset, work, console)
    return found or compare_values(STAGE, a.descriptor, b.descriptor)


def recognise(disk: Disk, region: Region) -> str:
    """Return the file system of a region, "squashfs" or "ext4"; "" for any other and for none."""
    start = disk.read(region.start, 4 * SECTOR)
    if start[:4] == b"hsqs":
        return "squashfs"
    return "ext4" if start[1080:1082] == b"\x53\xef" else ""


def compare_regions(a: Disk, b: Disk, name: str, offset: int, work: Path, console: Console) -> list[Difference]:
    """Return what two regions of one name differ in, which differ near byte `offset` of the region."""
    kind = recognise(a, a.regions[name])
    if not kind or kind != recognise(b, b.regions[name]):
        return [Difference(STAGE, name, f"differs near its byte {offset}")]
    squashed = kind == "squashfs"
    stage, inside, unpack = ("squashfs", PYTHON_PLACE, unsquashfs_argv) if squashed else (STAGE, "", rdump_argv)
    listings = []
    for side, disk in (("a", a), ("b", b)):
        console.say(f"unpacking {name} of {side.upper()}")
        image, tree = work / f"{side}.img", work / side
        write_region(disk, disk.regions[name], image)
        tree.mkdir()
        run(unpack(image, tree), step=f"unpacking {name}", contain=False)
        # debugfs does not restore the times of links; compare_inodes compares them.
        listings.append(list_folder(tree, f"/{inside}", link_times=squashed))
        remove_tree(tree)
    found = compare_listings(stage, *listings)
    if not found and not squashed:
        found = compare_inodes(a, b, name, work / "a.img")
    for side in "ab":
        (work / f"{side}.img").unlink()
    own = "all files are equal, the file system's own data differs"
    return found or [Difference(stage, name, f"{own} near its byte {offset}")]


def unsquashfs_argv(image: Path, tree: Path) -> list[str]:
    """Return the command that unpacks a squashfs into the empty folder `tree`."""
    return ["unsquashfs", "-no-progress", "-force", "-dest", os.fspath(tree), os.fspath(image)]


def rdump_argv(image: Path, tree: Path) -> list[str]:
    """Return the command that unpacks an ext4 into the empty folder `tree`."""
    return ["debugfs", "-R", f'rdump / "{tree}"', os.fspath(image)]


def write_region(disk: Disk, region: Region, image: Path) -> None:
    """Write a region of the disk to the sparse file `image`."""
    with image.open("wb") as file:
        file.truncate(region.end - region.start)
        for chunk in sorted(disk.list_chunks(region)):
            file.seek(chunk * GRAIN)
            file.write(disk.read_chunk(region, chunk))


def list_slots(a: Disk, b: Disk, name: str) -> Iterator[int]:
    """Yield the offsets, inside the region called `name`, of the pieces of INODE bytes that differ."""
    ours, theirs = a.regions[name], b.regions[name]
    for chunk in sorted(a.list_chunks(ours) | b.list_chunks(theirs)):
        one, other = (disk.read_chunk(region, chunk).ljust(GRAIN, b"\0") for disk, region in ((a, ours), (b, theirs)))
        if one != other:
            for slot in range(0, GRAIN, INODE):
                if one[slot : slot + INODE] != other[slot : slot + INODE]:
                    yield chunk * GRAIN + slot


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


def compare_inodes(a: Disk, b: Disk, name: str, image: Path) -> list[Difference]:
    """Return in which fields of which inodes two ext4 with equal files differ, and in which other blocks.

    image: A's file system as a file.
    """
    geometry = Geometry.parse(read(["debugfs", "-R", "stats", os.fspath(image)], step=f"reading {name}"))
    inodes: dict[int, str] = {}
    blocks: dict[str, None] = {}  # a set that keeps the order
    for offset in list_slots(a, b, name):
        number = geometry.find_inode(offset) if geometry.inode == INODE else 0
        if number:
            one, other = (disk.read(disk.regions[name].start + offset, INODE) for disk in (a, b))
            inodes[number] = ", ".join(name_fields(one, other))
        else:
            blocks["superblock" if offset // 1024 == 1 else f"block {offset // geometry.block}"] = None
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


def _describe_regions(disk: Disk) -> Mapping[str, str]:
    return {f"partition {region.name}": f"bytes {region.start} to {region.end}" for region in disk.regions.values()}
