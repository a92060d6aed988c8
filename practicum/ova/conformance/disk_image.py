"""A disk file inside an OVA, read once, when a rule first asks for it."""

from dataclasses import dataclass
from functools import cached_property

from practicum.ova.vmdk_format import DIRECTORY_AT_END, GRAIN_SECTORS, MAGIC, MARKER_END, Header
from practicum.ova.vmdk_reader import (
    GrainRecord,
    MetadataRecord,
    Source,
    VmdkError,
    inflate_grain,
    read_descriptor,
    read_directory,
    read_footer,
    read_header,
    read_records,
)


@dataclass(frozen=True)
class Scan:
    """One pass over the records of a disk: the sector of each by its first virtual sector, and what was wrong.

    `end` is the sector of the end-of-stream marker, None when there is none.
    """

    grains: dict[int, int]
    metadata: dict[int, MetadataRecord]
    bad_grains: tuple[str, ...]
    disorder: tuple[str, ...]
    broken: str | None
    end: int | None


@dataclass(frozen=True)
class DiskImage:
    """A `.vmdk` member. Its properties raise VmdkError when the file does not hold them."""

    name: str
    source: Source

    @cached_property
    def header(self) -> Header:
        """The header, judged only by its magic."""
        header = read_header(self.source)
        if header.magic != MAGIC:
            raise VmdkError(f"starts with {header.magic!r}, not {MAGIC!r}: no sparse VMDK")
        return header

    @cached_property
    def has_footer(self) -> bool:
        """Whether the header leaves the place of the grain directory to the footer."""
        return self.header.directory_offset == DIRECTORY_AT_END

    @cached_property
    def footer(self) -> Header:
        """The copy of the header before the end-of-stream marker."""
        footer = read_footer(self.source)
        if footer.magic != MAGIC:
            raise VmdkError("there is no footer at the end: it is cut off or damaged")
        return footer

    @cached_property
    def text(self) -> dict[str, str]:
        """The embedded descriptor."""
        return read_descriptor(self.source, self.header)

    @cached_property
    def directory(self) -> list[int]:
        """The grain directory that readers use."""
        place = self.footer if self.has_footer else self.header
        return read_directory(self.source, self.header, place.directory_offset)

    @cached_property
    def scan(self) -> Scan:
        """The records in the order of the file, every grain inflated."""
        grains: dict[int, int] = {}
        metadata: dict[int, MetadataRecord] = {}
        bad: list[str] = []
        disorder: list[str] = []
        broken = end = None
        last = -1
        header = self.header  # outside: a file that is no VMDK is another rule's business
        try:
            for record in read_records(self.source, header):
                if isinstance(record, MetadataRecord):
                    metadata[record.sector] = record
                    end = record.sector if record.kind == MARKER_END else None
                    continue
                bad.extend(_judge_grain(record, header.capacity))
                if record.lba <= last:
                    disorder.append(f"sector {record.sector}: grain {record.lba} comes after grain {last}")
                last = record.lba
                grains[record.lba] = record.sector
        except VmdkError as error:
            broken = str(error)
        return Scan(grains, metadata, tuple(bad), tuple(disorder), broken, end)


def _judge_grain(grain: GrainRecord, capacity: int) -> list[str]:
    problems = []
    if grain.lba % GRAIN_SECTORS or grain.lba >= capacity:
        problems.append(f"sector {grain.sector}: grain {grain.lba} is not on the disk")
    try:
        inflate_grain(grain)
    except VmdkError as error:
        problems.append(str(error))
    return problems
