"""Rules about the disk file."""

from collections.abc import Callable, Iterator
from functools import partial

from practicum.ova.conformance.disk_image import DiskImage
from practicum.ova.conformance.rules import IMPORT, PROMISE, Rule, Severity, rule
from practicum.ova.conformance.subject import Ova, Unjudgeable
from practicum.ova.vmdk_format import (
    DEFLATE,
    FLAGS,
    GRAIN_SECTORS,
    MARKER_FOOTER,
    MARKER_TABLE,
    MAX_SECTORS,
    REDUNDANT_DIRECTORY,
    SECTOR,
    TABLE_ENTRIES,
    VERSION,
    sectors_of,
)
from practicum.ova.vmdk_reader import VmdkError, is_uuid

RULES: list[Rule] = []
DiskCheck = Callable[[DiskImage], Iterator[str]]
_TABLE_SECTORS = sectors_of(4 * TABLE_ENTRIES)


def disk_rule(
    table: list[Rule], id: str, severity: Severity, meaning: str, *, prevents: str
) -> Callable[[DiskCheck], DiskCheck]:
    """Enter a check of one disk into `table`, as a rule about all disks of the OVA."""

    def enter(check: DiskCheck) -> DiskCheck:
        def check_all(ova: Ova) -> Iterator[str]:
            for image in ova.images:
                yield from (f"{image.name}: {problem}" for problem in check(image))

        rule(table, id, severity, meaning, prevents=prevents)(check_all)
        return check

    return enter


_rule = partial(disk_rule, RULES)


@_rule(
    "vmdk.magic",
    IMPORT,
    "the header is complete, with intact line ends",
    prevents="VMDK: incorrect magic in sparse extent header in '%s'; VMDK: corrupted by CR/LF translation in '%s'",
)
def check_magic(disk: DiskImage) -> Iterator[str]:
    try:
        if not disk.header.newlines_intact:
            yield "the line-end test bytes are changed: transferred as text"
    except VmdkError as error:
        yield str(error)


@_rule(
    "vmdk.version",
    IMPORT,
    "the header has version 1 or 3",
    prevents="VMDK: incorrect version in sparse extent header in '%s'",
)
def check_version(disk: DiskImage) -> Iterator[str]:
    if disk.header.version not in (1, VERSION):
        yield f"version {disk.header.version}"


@_rule(
    "vmdk.flags",
    PROMISE,
    f"the header has version {VERSION}, and flags {FLAGS:#x}, or {FLAGS | 2:#x} with a redundant directory",
    prevents="who trusts the flags misreads the disk",
)
def check_flags(disk: DiskImage) -> Iterator[str]:
    if disk.header.version != VERSION:
        yield f"version {disk.header.version}"
    if disk.header.flags & ~REDUNDANT_DIRECTORY != FLAGS:
        yield f"flags {disk.header.flags:#x}"
    if disk.header.compression != DEFLATE:
        yield f"compression {disk.header.compression}"


@_rule(
    "vmdk.geometry",
    IMPORT,
    f"grains have {GRAIN_SECTORS} sectors, grain tables {TABLE_ENTRIES} entries",
    prevents="VMDK: invalid extent grain size %u in '%s'",
)
def check_geometry(disk: DiskImage) -> Iterator[str]:
    if disk.header.grain_sectors != GRAIN_SECTORS:
        yield f"grains of {disk.header.grain_sectors} sectors"
    if disk.header.table_entries != TABLE_ENTRIES:
        yield f"{disk.header.table_entries} entries to a table"


@_rule(
    "vmdk.descriptor",
    IMPORT,
    "the text says streamOptimized, and the header's capacity",
    prevents="VMDK: unsupported format version in descriptor in '%s'; VERR_VD_VMDK_INVALID_HEADER",
)
def check_descriptor(disk: DiskImage) -> Iterator[str]:
    header = disk.header
    try:
        text = disk.text
    except VmdkError as error:
        yield str(error)
        return
    for key, wanted in (("version", "1"), ("createType", "streamOptimized")):
        if text.get(key) != wanted:
            yield f"{key} is {text.get(key)!r}, not {wanted!r}"
    extent = text.get("extent", "").split()
    if extent[1:3] != [str(header.capacity), "SPARSE"]:
        yield f"the extent {text.get('extent')!r} does not fit the capacity of {header.capacity} sectors"
    image = text.get("ddb.uuid.image")
    if image is not None and not is_uuid(image):
        yield f"ddb.uuid.image {image!r} is no UUID"


@_rule("vmdk.parent", PROMISE, "the disk has no parent", prevents="who opens the disk looks for its parent")
def check_parent(disk: DiskImage) -> Iterator[str]:
    if disk.text.get("parentCID") != "ffffffff":
        yield f"parentCID is {disk.text.get('parentCID')!r}"


@_rule(
    "vmdk.capacity",
    IMPORT,
    "the disk has 1 grain to 2 TiB, and room for its descriptor",
    prevents="VMDK: incorrect grain directory size in '%s'",
)
def check_capacity(disk: DiskImage) -> Iterator[str]:
    header = disk.header
    if not 0 < header.capacity < MAX_SECTORS:
        yield f"{header.capacity} sectors"
    if header.overhead < header.descriptor_offset + header.descriptor_sectors:
        yield f"an overhead of {header.overhead} sectors ends before the descriptor"


@_rule(
    "vmdk.grain",
    IMPORT,
    "each grain on the disk inflates from under 128 KiB to 64 KiB",
    prevents="VMDK: Compressed image is corrupted '%s' (VERR_ZIP_CORRUPTED), VERR_VD_VMDK_INVALID_FORMAT",
)
def check_grains(disk: DiskImage) -> Iterator[str]:
    yield from disk.scan.bad_grains


@_rule(
    "vmdk.order",
    IMPORT,
    "grains follow the disk's order, none twice",
    prevents="VERR_VD_VMDK_INVALID_STATE",
)
def check_order(disk: DiskImage) -> Iterator[str]:
    yield from disk.scan.disorder


@_rule(
    "vmdk.records",
    IMPORT,
    "grains and known markers follow each other without gaps, the directory after all grains",
    prevents="VERR_EOF, VERR_VD_VMDK_INVALID_STATE, or the imported disk lacks data",
)
def check_records(disk: DiskImage) -> Iterator[str]:
    scan = disk.scan
    if scan.broken:
        yield scan.broken
    for marker in scan.metadata.values():
        if marker.kind > MARKER_FOOTER:
            yield f"sector {marker.sector}: a marker of unknown type {marker.kind}"
        elif marker.kind != MARKER_TABLE and marker.sector < max(scan.grains.values(), default=0):
            yield f"sector {marker.sector}: a marker of type {marker.kind} stands before grains"


@_rule("vmdk.end", PROMISE, "an end-of-stream marker ends the disk", prevents="a cut disk looks whole")
def check_end(disk: DiskImage) -> Iterator[str]:
    scan = disk.scan
    if scan.broken:
        raise Unjudgeable(f"{disk.name} is cut off or damaged")
    if scan.end is None:
        yield "there is none"
    elif disk.source.size % SECTOR or (disk.has_footer and scan.end != disk.source.size // SECTOR - 1):
        yield f"bytes follow the end-of-stream marker at sector {scan.end}"
