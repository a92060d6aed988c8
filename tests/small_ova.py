"""A small, good OVA and the pieces to build bad ones from."""

import hashlib
import io
import random
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from practicum.architecture import AMD64, ARM64
from practicum.ova import ovf
from practicum.ova import pack as ova
from practicum.ova.vmdk import describe_disk, write_stream_optimized
from practicum.ova.vmdk_format import (
    DIRECTORY_AT_END,
    GRAIN,
    GRAIN_MARKER,
    GRAIN_SECTORS,
    MARKER_DIRECTORY,
    MARKER_END,
    MARKER_FOOTER,
    MARKER_TABLE,
    SECTOR,
    TABLE_ENTRIES,
    Header,
    pack_marker,
    padded,
    sectors_of,
)

NAME = "small-2027"
DISK = ova.disk_name(NAME)
MTIME = 1_767_225_600
CAPACITY = 48 << 20
APPLIANCE = ovf.Appliance(
    name=NAME,
    product="Deep <Learning> & more",
    version="1.0",
    vendor="École",
    description="Start the machine and open http://localhost:8888/",
    cpus=2,
    memory_mb=4096,
    forwards=(ovf.Forward("jupyter", "127.0.0.1", 8888, 8888), ovf.Forward("ssh", "127.0.0.1", 2022, 22)),
    hardware=AMD64.hardware,
)

ARM_APPLIANCE = replace(APPLIANCE, hardware=ARM64.hardware)


def write_raw(path: Path, size: int = CAPACITY) -> Path:
    """A sparse disk with text, noise, written zeros and data under two grain tables."""
    noise = random.Random(559)
    with path.open("wb") as stream:
        stream.truncate(size)
        for offset, data in (
            (0, b"boot" * 100),
            (GRAIN * 3 + 7, noise.randbytes(GRAIN)),
            (GRAIN * 9, bytes(2 * GRAIN)),
            (GRAIN * 600, b"text " * 40_000),
            (size - 5, b"last!"),
        ):
            stream.seek(offset)
            stream.write(data)
    return path


@dataclass(frozen=True)
class Good:
    """Descriptor and disk of the good OVA; `pack` builds it, or one that differs in what is given."""

    descriptor: bytes
    disk: bytes

    def pack(
        self,
        *,
        descriptor: bytes | None = None,
        disk: bytes | None = None,
        capacity: int = CAPACITY,
        manifest: Callable[[bytes], bytes] = bytes,
        members: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]] = list,
        tar_format: int = tarfile.USTAR_FORMAT,
    ) -> bytes:
        if disk is not None and descriptor is None:
            descriptor = describe(disk, capacity)
        descriptor, disk = descriptor or self.descriptor, disk or self.disk
        lines = "".join(f"SHA256({n})= {sha256(d)}\n" for n, d in ((f"{NAME}.ovf", descriptor), (DISK, disk)))
        files = [(f"{NAME}.ovf", descriptor), (f"{NAME}.mf", manifest(lines.encode())), (DISK, disk)]
        return tar(members(files), tar_format)


def build_good(folder: Path) -> Good:
    raw, vmdk = write_raw(folder / "disk.raw"), folder / "disk.vmdk"
    write_stream_optimized(raw, vmdk, level=1)
    disk = vmdk.read_bytes()
    return Good(ovf.describe(APPLIANCE, ovf.Disk.of(vmdk, DISK)), disk)


def describe(disk: bytes, capacity: int = CAPACITY, appliance: ovf.Appliance = APPLIANCE) -> bytes:
    return ovf.describe(appliance, ovf.Disk(DISK, len(disk), capacity))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tar(files: Iterable[tuple[str, bytes]], tar_format: int = tarfile.USTAR_FORMAT) -> bytes:
    """An archive; a name that ends in "/" becomes a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tar_format) as archive:
        for name, data in files:
            member = tarfile.TarInfo(name.rstrip("/"))
            member.size, member.mtime = len(data), MTIME
            if tar_format == tarfile.PAX_FORMAT:
                member.mtime = MTIME + 0.5  # type: ignore[assignment]
            if name.endswith("/"):
                member.type = tarfile.DIRTYPE
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def patch_headers(disk: bytes, **fields: object) -> bytes:
    """Change fields of the VMDK header and of its footer alike."""
    header = replace(Header.unpack(disk), **fields).pack()  # type: ignore[arg-type]
    own = {key: value for key, value in fields.items() if key != "directory_offset"}
    footer = replace(Header.unpack(disk[-2 * SECTOR :]), **own).pack()  # type: ignore[arg-type]
    return header + disk[SECTOR : -2 * SECTOR] + footer + disk[-SECTOR:]


def build_vmdk(
    grains: list[tuple[int, bytes]],
    *,
    forget: frozenset[int] = frozenset(),
    before_directory: bytes = b"",
    capacity: int = CAPACITY,
) -> bytes:
    """A second, naive writer: zlib streams at the given grain numbers, in the given order, all tables at the end.

    Grains in `forget` get no table entry; `before_directory` is put in as it is.
    """
    head = 128
    sectors = capacity // SECTOR
    body = bytearray()
    tables: dict[int, list[int]] = {}

    def append(data: bytes) -> int:
        start = head + len(body) // SECTOR
        body.extend(padded(data))
        return start

    for number, stream in grains:
        place = append(GRAIN_MARKER.pack(number * GRAIN_SECTORS, len(stream)) + stream)
        if number not in forget:
            tables.setdefault(number // TABLE_ENTRIES, [0] * TABLE_ENTRIES)[number % TABLE_ENTRIES] = place
    directory = [0] * -(-sectors // (GRAIN_SECTORS * TABLE_ENTRIES))
    for number, table in tables.items():
        append(pack_marker(MARKER_TABLE, 4))
        directory[number] = append(struct.pack(f"<{TABLE_ENTRIES}I", *table))
    append(before_directory)
    append(pack_marker(MARKER_DIRECTORY, sectors_of(4 * len(directory))))
    offset = append(struct.pack(f"<{len(directory)}I", *directory))
    append(pack_marker(MARKER_FOOTER, 1))
    append(Header(sectors, 1, 20, offset, head).pack())
    append(pack_marker(MARKER_END, 0))
    text = describe_disk(sectors, bytes(32)).encode()
    return (Header(sectors, 1, 20, DIRECTORY_AT_END, head).pack() + text).ljust(head * SECTOR, b"\0") + bytes(body)


def grain_stream(fill: bytes = b"x", size: int = GRAIN) -> bytes:
    return zlib.compress(fill * (size // len(fill)))
