"""What two stream-optimised disks differ in, partition by partition, and in which files of a partition.

The disks stay compressed where they are. A partition that differs is written to the cache and unpacked there, one
side after the other, by unsquashfs or debugfs; nothing is mounted.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from practicum.engine.cache import remove_tree
from practicum.engine.progress import Console
from practicum.engine.run import run
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
from practicum.release.inodes import INODE, STAGE, Slot, compare_inodes


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
        first = next(list_slots(a, b, name), None)
        if first:
            found += compare_regions(a, b, name, first.offset, work, console)
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
        found = compare_inodes(list_slots(a, b, name), name, work / "a.img")
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


def list_slots(a: Disk, b: Disk, name: str) -> Iterator[Slot]:
    """Yield the slots that differ of the region called `name`, in their order."""
    ours, theirs = a.regions[name], b.regions[name]
    for chunk in sorted(a.list_chunks(ours) | b.list_chunks(theirs)):
        one, other = (disk.read_chunk(region, chunk).ljust(GRAIN, b"\0") for disk, region in ((a, ours), (b, theirs)))
        if one != other:
            for slot in range(0, GRAIN, INODE):
                found = Slot(chunk * GRAIN + slot, one[slot : slot + INODE], other[slot : slot + INODE])
                if found.a != found.b:
                    yield found


def _describe_regions(disk: Disk) -> Mapping[str, str]:
    return {f"partition {region.name}": f"bytes {region.start} to {region.end}" for region in disk.regions.values()}
