"""Rules about a disk file's footer and tables, which VirtualBox does not use: it imports the grains as they come."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from practicum.ova.conformance.disk_image import DiskImage
from practicum.ova.conformance.rules import PROMISE, Rule
from practicum.ova.conformance.subject import Unjudgeable
from practicum.ova.conformance.vmdk_rules import disk_rule
from practicum.ova.vmdk_format import (
    MARKER_DIRECTORY,
    MARKER_FOOTER,
    MARKER_TABLE,
    REDUNDANT_DIRECTORY,
    TABLE_ENTRIES,
    sectors_of,
)
from practicum.ova.vmdk_reader import VmdkError, read_directory, read_tables

RULES: list[Rule] = []
_rule = partial(disk_rule, RULES)
_TABLE_SECTORS = sectors_of(4 * TABLE_ENTRIES)


@_rule(
    "vmdk.footer",
    PROMISE,
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
    PROMISE,
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
    PROMISE,
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
    PROMISE,
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
