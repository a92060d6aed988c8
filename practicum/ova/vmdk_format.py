"""The bytes of a sparse VMDK: what the writer and the reader agree on. Integers are little-endian, offsets in sectors.

Source: VMware's "Virtual Disk Format 5.0" (hosted sparse and stream-optimised extents) and the limits of VirtualBox's
reader as measured by importing into it.
"""

import struct
from dataclasses import dataclass
from typing import Self

SECTOR = 512
GRAIN_SECTORS = 128
GRAIN = GRAIN_SECTORS * SECTOR  # 64 KiB: the unit that is compressed, and the only grain size VirtualBox streams
TABLE_ENTRIES = 512  # grains a grain table points to: one table covers 32 MiB
MAGIC = b"KDMV"
VERSION = 3
# valid newline test (1), compressed grains (1 << 16), markers before grains and metadata (1 << 17)
FLAGS = 0x30001
REDUNDANT_DIRECTORY = 0x2
DEFLATE = 1
DIRECTORY_AT_END = 0xFFFF_FFFF_FFFF_FFFF  # the header's directory offset when the footer has the real one
MARKER_END, MARKER_TABLE, MARKER_DIRECTORY, MARKER_FOOTER = range(4)
MAX_COMPRESSED = 2 * GRAIN  # VirtualBox refuses a grain of this size or more

MAX_SECTORS = 2**32  # tables point with 32 bits: 2 TiB

GRAIN_MARKER = struct.Struct("<QI")  # first sector of the grain on the virtual disk, bytes of the zlib stream
_METADATA_MARKER = struct.Struct("<QII")  # sectors that follow, zero, type
_HEADER = struct.Struct("<4sIIQQQQIQQQB4sH")
_NEWLINES = b"\n \r\n"  # a transfer that mangles line ends mangles these, and readers refuse the file


def sectors_of(size: int) -> int:
    """Sectors that `size` bytes fill, the last one perhaps in part."""
    return -(-size // SECTOR)


def padded(data: bytes) -> bytes:
    """Return `data` with zeros up to the end of its last sector."""
    return data.ljust(sectors_of(len(data)) * SECTOR, b"\0")


def pack_marker(kind: int, sectors: int) -> bytes:
    """One sector that announces `sectors` of metadata of the given kind."""
    return padded(_METADATA_MARKER.pack(sectors, 0, kind))


@dataclass(frozen=True)
class Header:
    """The first sector of the file, and of its footer. Offsets and sizes in sectors."""

    capacity: int
    descriptor_offset: int
    descriptor_sectors: int
    directory_offset: int
    overhead: int
    redundant_offset: int = 0
    magic: bytes = MAGIC
    version: int = VERSION
    flags: int = FLAGS
    grain_sectors: int = GRAIN_SECTORS
    table_entries: int = TABLE_ENTRIES
    unclean: int = 0
    newlines: bytes = _NEWLINES
    compression: int = DEFLATE

    def pack(self) -> bytes:
        """Return the header as one sector."""
        return padded(
            _HEADER.pack(
                self.magic, self.version, self.flags, self.capacity, self.grain_sectors, self.descriptor_offset,
                self.descriptor_sectors, self.table_entries, self.redundant_offset, self.directory_offset,
                self.overhead, self.unclean, self.newlines, self.compression,
            )
        )  # fmt: skip

    @classmethod
    def unpack(cls, sector: bytes) -> Self:
        """Read a header without judging it; `sector` is at least 79 bytes."""
        (magic, version, flags, capacity, grain, descriptor, descriptor_sectors, entries,
         redundant, directory, overhead, unclean, newlines, compression) = _HEADER.unpack_from(sector)  # fmt: skip
        return cls(
            capacity, descriptor, descriptor_sectors, directory, overhead, redundant, magic, version, flags,
            grain, entries, unclean, newlines, compression,
        )  # fmt: skip

    @property
    def newlines_intact(self) -> bool:
        """Whether the line-end test bytes are as written."""
        return self.newlines == _NEWLINES
