"""The file under examination: its parts, read once, when a rule first asks for them."""

import os
from dataclasses import dataclass
from functools import cached_property
from xml.etree.ElementTree import Element, ParseError, fromstring

from practicum.architecture import ARCHITECTURES, Hardware
from practicum.ova.conformance.tar import Archive, Member, read_archive
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

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
VBOX = "{http://www.virtualbox.org/ovf/machine}"
_MAX_TEXT = 1 << 20  # bytes of .ovf and .mf that are read; real ones have less than 16 KiB


class Unjudgeable(Exception):
    """A rule cannot be applied because what it builds on is missing; another rule says why."""


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


class Ova:
    """An open OVA. Its properties raise Unjudgeable when the file does not hold them."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size

    @cached_property
    def archive(self) -> Archive:
        """The members of the tar."""
        return read_archive(self._descriptor, self._size)

    @cached_property
    def tail(self) -> bytes:
        """What follows the last member, the first MiB of it."""
        return os.pread(self._descriptor, _MAX_TEXT, self.archive.end)

    @cached_property
    def files(self) -> dict[str, Source]:
        """Regular members by name."""
        return {member.name: self._source(member) for member in self.archive.members if member.kind in (b"0", b"\0")}

    @cached_property
    def base_name(self) -> str:
        """Name of the first descriptor, without `.ovf`."""
        names = [name for name in self.files if name.endswith(".ovf")]
        if not names:
            raise Unjudgeable("there is no descriptor")
        return names[0].removesuffix(".ovf")

    @cached_property
    def descriptor(self) -> bytes:
        """The bytes of the `.ovf`."""
        return self._text(f"{self.base_name}.ovf")

    @cached_property
    def manifest(self) -> bytes:
        """The bytes of the `.mf` that VirtualBox looks at."""
        return self._text(f"{self.base_name}.mf")

    @cached_property
    def envelope(self) -> Element:
        """The root of the descriptor."""
        try:
            # Entity definitions can blow a small file up to gigabytes, and no OVF needs them.
            if b"<!DOCTYPE" in self.descriptor:
                raise Unjudgeable("the descriptor has a document type")
            return fromstring(self.descriptor)
        except (ParseError, ValueError, LookupError) as error:  # LookupError: an encoding nobody knows
            raise Unjudgeable(f"the descriptor is not well-formed XML ({error})") from error

    @cached_property
    def system(self) -> Element:
        """The (first) VirtualSystem."""
        return self.require(self.envelope, f"{OVF}VirtualSystem")

    @cached_property
    def items(self) -> list[Element]:
        """The `Item`s of the virtual hardware."""
        return self.system.findall(f"{OVF}VirtualHardwareSection/{OVF}Item")

    @cached_property
    def machine(self) -> Element:
        """VirtualBox's own element."""
        return self.require(self.system, f"{VBOX}Machine")

    @cached_property
    def hardware(self) -> Element:
        """The hardware in VirtualBox's own element."""
        return self.require(self.machine, "{*}Hardware")

    @cached_property
    def wanted(self) -> Hardware:
        """The virtual machine that the file must describe: of the architecture whose operating system it names.

        VirtualBox takes the name from its own element first. A name of none is another rule's business.
        """
        machine = self.system.find(f"{VBOX}Machine")
        told = machine.get("OSType") if machine is not None else self.system.findtext(f".//{VBOX}OSType")
        known = {architecture.hardware.os_type: architecture.hardware for architecture in ARCHITECTURES}
        return known.get(told or "", ARCHITECTURES[0].hardware)

    @cached_property
    def references(self) -> list[Element]:
        """The files the descriptor names."""
        return self.envelope.findall(f"{OVF}References/{OVF}File")

    @cached_property
    def disks(self) -> list[Element]:
        """The disks the descriptor defines."""
        return self.envelope.findall(f"{OVF}DiskSection/{OVF}Disk")

    @cached_property
    def images(self) -> tuple[DiskImage, ...]:
        """The disk files in the archive."""
        images = tuple(DiskImage(name, source) for name, source in self.files.items() if name.endswith(".vmdk"))
        if not images:
            raise Unjudgeable("there is no disk file")
        return images

    def image_of(self, disk: Element) -> DiskImage:
        """Return the file of a `Disk`, through its file reference."""
        wanted = disk.get(f"{OVF}fileRef")
        names = [file.get(f"{OVF}href") for file in self.references if file.get(f"{OVF}id") == wanted]
        for image in self.images:
            if image.name in names:
                return image
        raise Unjudgeable("a disk of the descriptor has no file")

    def require(self, parent: Element, path: str) -> Element:
        """Return the first element at `path`, which another rule demands."""
        element = parent.find(path)
        if element is None:
            raise Unjudgeable(f"the descriptor has no {path.rpartition('}')[2]}")
        return element

    def _source(self, member: Member) -> Source:
        return Source(self._descriptor, member.offset, member.size)

    def _text(self, name: str) -> bytes:
        source = self.files.get(name)
        if source is None:
            raise Unjudgeable(f"there is no {name}")
        if source.size > _MAX_TEXT:
            raise Unjudgeable(f"{name} has {source.size} bytes, more than any real one")
        return source.read(0, source.size)
