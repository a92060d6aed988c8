"""The file under examination: its parts, read once, when a rule first asks for them."""

import hashlib
import os
from functools import cached_property
from xml.etree.ElementTree import Element

from practicum.architecture import ARCHITECTURES, Hardware
from practicum.ova.conformance.disk_image import DiskImage
from practicum.ova.conformance.envelope import OVF, VBOX, Envelope, NoXml, parse_envelope
from practicum.ova.conformance.kind import HEAD
from practicum.ova.conformance.tar import Archive, Member, read_archive
from practicum.ova.vmdk_reader import Source

_MAX_TEXT = 1 << 20  # bytes of .ovf and .mf that are read; real ones have less than 16 KiB
_FEW_HOLES = 1 << 30  # bytes; a whole file has none, or those that a program which copied it made of zeros


class Unjudgeable(Exception):
    """A rule cannot be applied because what it builds on is missing; another rule says why."""


class Ova:
    """An open OVA. Its properties raise Unjudgeable when the file does not hold them."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    @cached_property
    def head(self) -> bytes:
        """The first bytes of the file, whatever it is."""
        return os.pread(self._descriptor, HEAD, 0)

    def hash(self) -> str:
        """Return the sha256 of the whole file."""
        with os.fdopen(os.dup(self._descriptor), "rb") as stream:
            stream.seek(0)
            return hashlib.file_digest(stream, "sha256").hexdigest()

    @cached_property
    def hollow(self) -> bool:
        """Whether more than half of a large file was never written: to read all its zeros can take hours."""
        most = max(_FEW_HOLES, self.size // 2)
        holes = place = 0
        while place < self.size and holes <= most:
            hole = os.lseek(self._descriptor, place, os.SEEK_HOLE)
            try:
                place = os.lseek(self._descriptor, hole, os.SEEK_DATA)
            except OSError:  # no data follow
                place = self.size
            holes += place - hole
        return holes > most

    @cached_property
    def archive(self) -> Archive:
        """The members of the tar."""
        return read_archive(self._descriptor, self.size)

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
    def described(self) -> Envelope:
        """The descriptor, and which version of the standard it follows."""
        try:
            return parse_envelope(self.descriptor)
        except NoXml as error:
            raise Unjudgeable(str(error)) from error

    @property
    def envelope(self) -> Element:
        """The root of the descriptor, with the names of OVF 1."""
        return self.described.root

    @cached_property
    def system(self) -> Element:
        """The (first) VirtualSystem."""
        return self.require(self.envelope, f".//{OVF}VirtualSystem")

    @cached_property
    def items(self) -> list[Element]:
        """The `Item`s of the virtual hardware."""
        return self.system.findall(f"{OVF}VirtualHardwareSection/{OVF}Item")

    @cached_property
    def machines(self) -> list[Element]:
        """VirtualBox's own element; a file of another program has none, and VirtualBox does without."""
        return self.system.findall(f"{VBOX}Machine")

    @cached_property
    def machine(self) -> Element:
        """VirtualBox's own element, for rules that demand it."""
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
        if not images and self.references:
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
