"""Raw disk to stream-optimised VMDK, the only disk format VirtualBox takes inside an OVA.

Why not `qemu-img convert -O vmdk -o subformat=streamOptimized`: it compresses on one core, writes a random content id
(so no two builds are equal) and puts the directory in front, where VMware's streaming readers do not expect it.

Measured on 2.1 GB of programs and libraries in a 64 GB disk, two cores shared with other work: qemu-img 90 s, 840 MB;
this module 32 s, 825 MB at level 6 and 76 s, 820 MB at level 9 (29 s and 73 s of CPU time, which idle cores share).
Of the appliance's disk, whose Python environment is compressed before: level 6 539 MB in 11 CPU seconds, level 9 538 MB
in 31.
One core, 64 MB of shared libraries and Python code: level 6 takes in 81 MB/s and leaves 0.303 of them, level 9 30 MB/s
and 0.301, level 12 7 MB/s and 0.292. To measure again: `time python -c "from pathlib import Path; from
practicum.ova.vmdk import write_stream_optimized as w; w(Path('disk.raw'), Path('disk.vmdk'), level=6)"`.

Threads, not processes: libdeflate's wrapper lets go of the interpreter lock while it compresses (level 9, two threads:
1.7 times one, and two processes 1.8 times), so grains need not be pickled.
"""

import hashlib
import os
import struct
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

import deflate

from practicum.engine.errors import PracticumError
from practicum.engine.publish import new_file
from practicum.ova.vmdk_format import (
    DIRECTORY_AT_END,
    GRAIN,
    GRAIN_MARKER,
    GRAIN_SECTORS,
    MARKER_DIRECTORY,
    MARKER_END,
    MARKER_FOOTER,
    MARKER_TABLE,
    MAX_SECTORS,
    SECTOR,
    TABLE_ENTRIES,
    Header,
    pack_marker,
    padded,
    sectors_of,
)

_BATCH = 64  # grains a worker takes at once, 4 MiB: large enough to hide the hand-over, small enough to keep in memory
_DESCRIPTOR = range(1, 21)  # sectors of the text descriptor, right behind the header
_OVERHEAD = 128  # sectors before the first grain: one grain, as VMware's own writers leave
_ZEROS = bytes(GRAIN)
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _Grain:
    index: int
    digest: bytes
    record: bytes  # marker, zlib stream and padding, as they stand in the file


def write_stream_optimized(
    raw: Path,
    out: Path,
    *,
    level: int = 6,
    workers: int | None = None,
) -> None:
    """Write the disk image `raw` as the stream-optimised VMDK `out`.

    Only the data extents of the (sparse) `raw` are read and grains that hold nothing but zeros are left out. The bytes
    depend on content and `level` alone: not on time, names, the number of workers or where holes lie.
    Memory stays below about 20 MiB a worker.

    Args:
        raw: disk image; its size is the capacity, rounded up to a sector.
        out: replaced when the new file is complete, untouched otherwise.
        level: effort of libdeflate, 1 (fast) to 12 (small).
        workers: threads that compress; the machine's usable cores when not given.

    Raises:
        PracticumError: `raw` is not a readable, non-empty file, or `out` cannot be written.
    """
    workers = workers or len(os.sched_getaffinity(0))
    with _open_raw(raw) as source, new_file(out) as new, ThreadPoolExecutor(workers) as pool:
        size = os.fstat(source.fileno()).st_size

        def compress(batch: list[int]) -> list[_Grain]:
            return [grain for index in batch if (grain := _compress_grain(source.fileno(), index, level))]

        stream = _StreamWriter(new.stream, sectors_of(size))
        batches = _batches(find_data(source.fileno(), size))
        for grains in _map_in_order(pool, compress, batches, window=2 * workers):
            for grain in grains:
                stream.add(grain)
        stream.finish()


def find_data(descriptor: int, size: int) -> Iterator[range]:
    """Ranges of grain numbers, ascending and apart, that cover every data extent of an open file of `size` bytes."""
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but a hole from here to the end
            return
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        grains = range(start // GRAIN, -(-end // GRAIN))
        yield grains
        position = grains.stop * GRAIN


def describe_disk(capacity: int, content: bytes) -> str:
    """Return the embedded descriptor of a disk of `capacity` sectors whose content has the SHA-256 digest `content`."""
    # The last two values mean "no content" to readers.
    content_id = min(int.from_bytes(content[:4]), 0xFFFF_FFFD)
    image = uuid.UUID(bytes=content[:16], version=5)
    nil = uuid.UUID(int=0)
    return "\n".join(
        (
            "# Disk DescriptorFile",
            "version=1",
            f"CID={content_id:08x}",
            "parentCID=ffffffff",
            'createType="streamOptimized"',
            "",
            "# Extent description",
            # Readers ignore the name of an embedded extent; a fixed one keeps the bytes free of paths.
            f'RDONLY {capacity} SPARSE "disk.vmdk"',
            "",
            "# The Disk Data Base",
            "#DDB",
            "",
            'ddb.virtualHWVersion = "4"',
            # VirtualBox knows no name for AHCI here and exports its SATA disks like this.
            'ddb.adapterType="ide"',
            f'ddb.geometry.cylinders="{max(1, min(16383, capacity // (16 * 63)))}"',
            'ddb.geometry.heads="16"',
            'ddb.geometry.sectors="63"',
            f'ddb.uuid.image="{image}"',
            f'ddb.uuid.modification="{nil}"',
            f'ddb.uuid.parent="{nil}"',
            f'ddb.uuid.parentmodification="{nil}"',
            "",
        )
    )


class _StreamWriter:
    """Lays grains and their tables one after the other, as a reader that cannot seek needs them."""

    def __init__(self, stream: BinaryIO, capacity: int) -> None:
        self._stream = stream
        self._capacity = capacity
        self._directory = [0] * -(-capacity // (GRAIN_SECTORS * TABLE_ENTRIES))
        self._table = [0] * TABLE_ENTRIES
        self._current = 0  # number of the table being filled
        self._content = hashlib.sha256(capacity.to_bytes(8))
        self._sector = _OVERHEAD
        # The header comes last: until then nothing takes the file for a disk.
        stream.write(bytes(_OVERHEAD * SECTOR))

    def add(self, grain: _Grain) -> None:
        """Append a grain; numbers ascend."""
        number, entry = divmod(grain.index, TABLE_ENTRIES)
        if number != self._current:
            self._end_table()
            self._current = number
        self._table[entry] = self._append(grain.record)
        self._content.update(grain.index.to_bytes(8) + grain.digest)

    def finish(self) -> None:
        """Append what follows the grains and fill in the start of the file."""
        self._end_table()
        directory = _pack_offsets(self._directory)
        self._append(pack_marker(MARKER_DIRECTORY, sectors_of(len(directory))))
        directory_offset = self._append(directory)
        self._append(pack_marker(MARKER_FOOTER, 1))
        self._append(self._header(directory_offset))
        self._append(pack_marker(MARKER_END, 0))
        text = describe_disk(self._capacity, self._content.digest())
        self._stream.seek(0)
        self._stream.write(self._header(DIRECTORY_AT_END) + padded(text.encode("ascii")))

    def _end_table(self) -> None:
        if any(self._table):
            table = _pack_offsets(self._table)
            self._append(pack_marker(MARKER_TABLE, sectors_of(len(table))))
            self._directory[self._current] = self._append(table)
            self._table = [0] * TABLE_ENTRIES

    def _append(self, data: bytes) -> int:
        """Write whole sectors at the end; returns the first one's number."""
        start = self._sector
        self._stream.write(padded(data))
        self._sector += sectors_of(len(data))
        return start

    def _header(self, directory_offset: int) -> bytes:
        return Header(self._capacity, _DESCRIPTOR.start, len(_DESCRIPTOR), directory_offset, _OVERHEAD).pack()


def _open_raw(raw: Path) -> BinaryIO:
    try:
        source = raw.open("rb")
    except OSError as error:
        raise PracticumError(str(raw), f"cannot be read ({error.strerror})", "build the disk first") from error
    size = os.fstat(source.fileno()).st_size
    if not 0 < sectors_of(size) < MAX_SECTORS:
        source.close()
        raise PracticumError(str(raw), f"is {size} bytes", "a disk has more than 0 bytes and less than 2 TiB")
    return source


def _batches(extents: Iterator[range]) -> Iterator[list[int]]:
    grains = (index for extent in extents for index in extent)
    while batch := list(islice(grains, _BATCH)):
        yield batch


def _compress_grain(descriptor: int, index: int, level: int) -> _Grain | None:
    data = os.pread(descriptor, GRAIN, index * GRAIN).ljust(GRAIN, b"\0")
    if data == _ZEROS:
        return None
    stream = deflate.zlib_compress(data, level)
    marker = GRAIN_MARKER.pack(index * GRAIN_SECTORS, len(stream))
    return _Grain(index, hashlib.sha256(data).digest(), padded(marker + stream))


def _map_in_order(
    pool: ThreadPoolExecutor, function: Callable[[_Item], _Result], items: Iterator[_Item], *, window: int
) -> Iterator[_Result]:
    """Like `pool.map`, but with at most `window` results waiting: `pool.map` would hold the whole disk in memory."""
    waiting: deque[Future[_Result]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= window:
            yield waiting.popleft().result()
    for future in waiting:
        yield future.result()


def _pack_offsets(offsets: list[int]) -> bytes:
    return struct.pack(f"<{len(offsets)}I", *offsets)
