"""Reads stream-optimised VMDKs of any writer, sequentially and without trust: sizes and offsets come from the file.

Both layouts are understood: grain directory at the end with a footer (VMware, VirtualBox, `practicum.vmdk`), and grain
directory with a redundant copy in front (qemu-img).
"""

import os
import re
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import deflate

from practicum.engine.errors import PracticumError
from practicum.ova.vmdk_format import (
    DIRECTORY_AT_END,
    GRAIN,
    GRAIN_MARKER,
    GRAIN_SECTORS,
    MAGIC,
    MARKER_END,
    MAX_COMPRESSED,
    MAX_SECTORS,
    SECTOR,
    TABLE_ENTRIES,
    Header,
    sectors_of,
)

_MAX_DESCRIPTOR = 64 * 1024  # bytes; real ones have less than 2 KiB


class VmdkError(Exception):
    """The bytes are not what the format asks for; the message says which and where, without the file's name."""


@dataclass(frozen=True)
class Source:
    """A VMDK inside an open file: `size` bytes from byte `start`. Reads never leave it."""

    descriptor: int
    start: int
    size: int

    def read(self, sector: int, length: int) -> bytes:
        """`length` bytes from the start of `sector`; raises VmdkError beyond the end."""
        offset = sector * SECTOR
        if offset + length > self.size:
            raise VmdkError(f"sector {sector} lies beyond the end of the disk file: it is cut off or damaged")
        return os.pread(self.descriptor, length, self.start + offset)


@dataclass(frozen=True)
class GrainRecord:
    """A compressed grain found at `sector` of the file; `lba` is its first sector on the virtual disk.

    `size` is what its marker says, in bytes; `stream` is empty where that is more than any reader takes.
    """

    sector: int
    lba: int
    size: int
    stream: bytes


@dataclass(frozen=True)
class MetadataRecord:
    """A marker found at `sector` that announces `sectors` of metadata, which follow it."""

    sector: int
    kind: int
    sectors: int


@dataclass(frozen=True)
class DiskFacts:
    """What an OVF says about a disk."""

    capacity_bytes: int
    image_uuid: uuid.UUID | None


def read_disk(vmdk: Path) -> DiskFacts:
    """Capacity and id of a stream-optimised VMDK.

    Raises:
        PracticumError: the file cannot be read or is no such VMDK.
    """
    try:
        with vmdk.open("rb") as stream:
            source = Source(stream.fileno(), 0, os.fstat(stream.fileno()).st_size)
            header = read_header(source)
            descriptor = read_descriptor(source, header)
    except (OSError, VmdkError) as error:
        raise PracticumError(str(vmdk), f"is not a readable VMDK ({error})", "write the disk again") from error
    if header.magic != MAGIC or descriptor.get("createType") != "streamOptimized":
        raise PracticumError(str(vmdk), "is not a stream-optimised VMDK", "convert it before packing it")
    image = descriptor.get("ddb.uuid.image", "")
    return DiskFacts(header.capacity * SECTOR, uuid.UUID(image) if is_uuid(image) else None)


def read_header(source: Source) -> Header:
    """Return the header at the start of the file, not judged."""
    return Header.unpack(source.read(0, SECTOR))


def read_footer(source: Source) -> Header:
    """Return the copy of the header that ends the file, before the end-of-stream marker."""
    return Header.unpack(source.read(source.size // SECTOR - 2, SECTOR))


def read_descriptor(source: Source, header: Header) -> dict[str, str]:
    """Keys and values of the embedded text; the extent line has the key "extent" and stands as it is."""
    length = min(header.descriptor_sectors * SECTOR, _MAX_DESCRIPTOR)
    text = source.read(header.descriptor_offset, length).split(b"\0", 1)[0].decode("utf-8", "replace")
    values: dict[str, str] = {}
    for line in text.splitlines():
        if re.match(r"(RW|RDONLY|NOACCESS)\s", line):
            values["extent"] = line
        elif match := re.fullmatch(r"\s*([\w.]+)\s*=\s*\"?([^\"]*)\"?\s*", line):
            values[match[1]] = match[2]
    return values


def read_records(source: Source, header: Header) -> Iterator[GrainRecord | MetadataRecord]:
    """Everything behind the overhead, as a reader that cannot seek meets it, up to the end marker or the last byte.

    Raises:
        VmdkError: a record is cut off.
    """
    sector, last = header.overhead, source.size // SECTOR
    while sector < last:
        block = source.read(sector, SECTOR)
        value, size = GRAIN_MARKER.unpack_from(block)
        if size:
            length = GRAIN_MARKER.size + size
            # A claim no grain may make is reported by its size; the bytes are not worth the memory.
            data = source.read(sector, length) if size < MAX_COMPRESSED else b""
            yield GrainRecord(sector, value, size, data[GRAIN_MARKER.size :])
            sector += sectors_of(length)
        else:
            (kind,) = struct.unpack_from("<I", block, GRAIN_MARKER.size)
            yield MetadataRecord(sector, kind, value)
            if kind == MARKER_END:
                return
            sector += 1 + value


def inflate_grain(grain: GrainRecord) -> bytes:
    """Return the 64 KiB of the grain; raise VmdkError when its zlib stream is damaged or of another length."""
    if grain.size >= MAX_COMPRESSED:
        raise VmdkError(
            f"sector {grain.sector}: the grain has {grain.size} bytes, {MAX_COMPRESSED} or more are refused"
        )
    try:
        data = deflate.zlib_decompress(grain.stream, GRAIN)
    except deflate.DeflateError as error:
        raise VmdkError(f"sector {grain.sector}: the grain does not inflate to {GRAIN} bytes ({error})") from error
    if len(data) != GRAIN:
        raise VmdkError(f"sector {grain.sector}: the grain inflates to {len(data)} bytes, not {GRAIN}")
    return bytes(data)


def read_directory(source: Source, header: Header, offset: int) -> list[int]:
    """Return the grain directory at sector `offset`: the sector of each grain table, 0 where there is none."""
    entries = -(-header.capacity // (GRAIN_SECTORS * TABLE_ENTRIES))
    if header.capacity >= MAX_SECTORS:
        raise VmdkError(f"a disk of {header.capacity} sectors needs more grain tables than fit")
    if offset == DIRECTORY_AT_END:
        raise VmdkError("the footer does not say where the grain directory is")
    return _unpack_offsets(source.read(offset, 4 * entries))


def read_tables(source: Source, directory: list[int]) -> dict[int, int]:
    """First sector of each stored grain on the virtual disk -> sector of the file where its record starts."""
    grains: dict[int, int] = {}
    for number, offset in enumerate(directory):
        if offset:
            table = _unpack_offsets(source.read(offset, 4 * TABLE_ENTRIES))
            first = number * TABLE_ENTRIES
            if len(grains) > source.size // SECTOR:
                raise VmdkError("the grain tables name more grains than the file has sectors")
            grains |= {(first + entry) * GRAIN_SECTORS: sector for entry, sector in enumerate(table) if sector}
    return grains


def _unpack_offsets(data: bytes) -> list[int]:
    return [offset for (offset,) in struct.iter_unpack("<I", data)]


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID in its usual form, without braces."""
    return re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text) is not None
