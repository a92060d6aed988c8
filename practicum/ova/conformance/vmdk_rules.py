"""Rules about the disk file."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from practicum.ova.conformance.rules import Rule, rule
from practicum.ova.conformance.subject import DiskImage, Ova, Unjudgeable
from practicum.ova.vmdk_format import (
    DEFLATE,
    FLAGS,
    GRAIN_SECTORS,
    MARKER_DIRECTORY,
    MARKER_FOOTER,
    MARKER_TABLE,
    MAX_SECTORS,
    REDUNDANT_DIRECTORY,
    SECTOR,
    TABLE_ENTRIES,
    VERSION,
    sectors_of,
)
from practicum.ova.vmdk_reader import VmdkError, is_uuid, read_directory, read_tables

RULES: list[Rule] = []
DiskCheck = Callable[[DiskImage], Iterator[str]]
_TABLE_SECTORS = sectors_of(4 * TABLE_ENTRIES)


def _rule(id: str, meaning: str, *, prevents: str) -> Callable[[DiskCheck], DiskCheck]:
    """Enter a check of one disk as a rule about all disks of the OVA."""

    def enter(check: DiskCheck) -> DiskCheck:
        def check_all(ova: Ova) -> Iterator[str]:
            for image in ova.images:
                yield from (f"{image.name}: {problem}" for problem in check(image))

        rule(RULES, id, meaning, prevents=prevents)(check_all)
        return check

    return enter


@_rule(
    "vmdk.magic",
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
    f"the header has version {VERSION}",
    prevents="VMDK: incorrect version in sparse extent header in '%s'",
)
def check_version(disk: DiskImage) -> Iterator[str]:
    if disk.header.version != VERSION:
        yield f"version {disk.header.version}"


@_rule(
    "vmdk.flags",
    f"flags are {FLAGS:#x}, or {FLAGS | 2:#x} with a redundant directory",
    prevents="VERR_VD_VMDK_INVALID_FORMAT",
)
def check_flags(disk: DiskImage) -> Iterator[str]:
    if disk.header.flags & ~REDUNDANT_DIRECTORY != FLAGS:
        yield f"flags {disk.header.flags:#x}"
    if disk.header.compression != DEFLATE:
        yield f"compression {disk.header.compression}"


@_rule(
    "vmdk.geometry",
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
    "the text says streamOptimized, no parent and the header's capacity",
    prevents="VMDK: unsupported format version in descriptor in '%s'; VERR_VD_VMDK_INVALID_HEADER",
)
def check_descriptor(disk: DiskImage) -> Iterator[str]:
    header = disk.header
    try:
        text = disk.text
    except VmdkError as error:
        yield str(error)
        return
    for key, wanted in (("version", "1"), ("createType", "streamOptimized"), ("parentCID", "ffffffff")):
        if text.get(key) != wanted:
            yield f"{key} is {text.get(key)!r}, not {wanted!r}"
    extent = text.get("extent", "").split()
    if extent[1:3] != [str(header.capacity), "SPARSE"]:
        yield f"the extent {text.get('extent')!r} does not fit the capacity of {header.capacity} sectors"
    image = text.get("ddb.uuid.image")
    if image is not None and not is_uuid(image):
        yield f"ddb.uuid.image {image!r} is no UUID"


@_rule(
    "vmdk.capacity",
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
    "each grain on the disk inflates from under 128 KiB to 64 KiB",
    prevents="VMDK: Compressed image is corrupted '%s' (VERR_ZIP_CORRUPTED), VERR_VD_VMDK_INVALID_FORMAT",
)
def check_grains(disk: DiskImage) -> Iterator[str]:
    yield from disk.scan.bad_grains


@_rule(
    "vmdk.order",
    "grains follow the disk's order, none twice",
    prevents="VERR_VD_VMDK_INVALID_STATE",
)
def check_order(disk: DiskImage) -> Iterator[str]:
    yield from disk.scan.disorder


@_rule(
    "vmdk.end",
    "records have no gaps, and an end-of-stream marker ends them",
    prevents="VERR_EOF, VERR_VD_VMDK_INVALID_FORMAT",
)
def check_end(disk: DiskImage) -> Iterator[str]:
    scan = disk.scan
    if scan.broken:
        yield scan.broken
    elif scan.end is None:
        yield "there is no end-of-stream marker"
    elif disk.source.size % SECTOR or (disk.has_footer and scan.end != disk.source.size // SECTOR - 1):
        yield f"bytes follow the end-of-stream marker at sector {scan.end}"
    for marker in scan.metadata.values():
        if marker.kind > MARKER_FOOTER:
            yield f"sector {marker.sector}: a marker of unknown type {marker.kind}"


@_rule(
    "vmdk.footer",
    "a footer repeats the header when the directory comes last",
    prevents="VMDK: error reading extent footer in '%s'",
)
def check_footer(disk: DiskImage) -> Iterator[str]:
    if not disk.has_footer:
        return
    if disk.scan.end is None:
        raise Unjudgeable(f"{disk.name} has no end-of-stream marker")
    marker = disk.scan.metadata.get(disk.scan.end - 2)
    if marker is None or (marker.kind, marker.sectors) != (MARKER_FOOTER, 1):
        yield "no footer marker stands before the last two sectors"
    elif replace(disk.footer, directory_offset=disk.header.directory_offset) != disk.header:
        yield "the footer differs from the header in more than the directory's place"


@_rule(
    "vmdk.directory",
    "the grain directory leads to grain tables",
    prevents="VMDK: cannot resolve grain directory offset in '%s'",
)
def check_directory(disk: DiskImage) -> Iterator[str]:
    header = disk.header
    try:
        offset = (disk.footer if disk.has_footer else header).directory_offset
        directory = disk.directory
    except VmdkError as error:
        yield str(error)
        return
    if disk.has_footer:
        places = [(offset, MARKER_DIRECTORY, sectors_of(4 * len(directory)))]
        places += [(table, MARKER_TABLE, _TABLE_SECTORS) for table in directory if table]
        for sector, kind, sectors in places:
            marker = disk.scan.metadata.get(sector - 1)
            if marker is None or (marker.kind, marker.sectors) != (kind, sectors):
                yield f"sector {sector}: no marker of type {kind} announces {sectors} sectors here"
    else:
        for sector in (offset, *filter(None, directory)):
            if not header.descriptor_offset + header.descriptor_sectors <= sector < header.overhead:
                yield f"sector {sector} is not between the descriptor and the grains"


@_rule(
    "vmdk.table",
    "grain tables lead to every grain, to nothing else",
    prevents="VERR_VD_VMDK_INVALID_FORMAT, or the imported disk has holes",
)
def check_tables(disk: DiskImage) -> Iterator[str]:
    directory, scan = disk.directory, disk.scan
    try:
        tables = read_tables(disk.source, directory)
    except VmdkError as error:
        yield str(error)
        return
    for lba, sector in tables.items():
        if scan.grains.get(lba) != sector:
            yield f"grain {lba}: the table says sector {sector}, where no such grain starts"
    for lba in scan.grains.keys() - tables.keys():
        yield f"grain {lba}: no table points to it"


@_rule(
    "vmdk.redundant",
    "a redundant directory has equal tables of its own",
    prevents="VMDK: inconsistent references to grain directory in '%s'",
)
def check_redundant(disk: DiskImage) -> Iterator[str]:
    header = disk.header
    if bool(header.flags & REDUNDANT_DIRECTORY) != bool(header.redundant_offset):
        yield f"flags {header.flags:#x} do not fit a redundant directory at sector {header.redundant_offset}"
    elif header.redundant_offset:
        try:
            redundant = read_directory(disk.source, header, header.redundant_offset)
            if set(filter(None, redundant)) & set(filter(None, disk.directory)):
                yield "both directories share a grain table"
            if read_tables(disk.source, redundant) != read_tables(disk.source, disk.directory):
                yield "the redundant grain tables differ"
        except VmdkError as error:
            yield str(error)
