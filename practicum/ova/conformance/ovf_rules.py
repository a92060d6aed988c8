"""Rules about the OVF descriptor, without its hardware and VirtualBox's own element."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from xml.etree.ElementTree import Element

from practicum.architecture import ARCHITECTURES
from practicum.ova.conformance.envelope import OVF, VBOX
from practicum.ova.conformance.rules import IMPORT, PROMISE, Rule, rule
from practicum.ova.conformance.subject import Ova, Unjudgeable
from practicum.ova.ovf import MAX_TEXT, STREAM_OPTIMIZED
from practicum.ova.vmdk_format import SECTOR

RULES: list[Rule] = []
_rule = partial(rule, RULES)

_DEBIAN_64 = "96"  # CIM's number of 64-bit Debian, on any processor
_ATTRIBUTE_CAPS = {
    f"{OVF}diskId": 64,
    f"{VBOX}uuid": 64,
    f"{OVF}compression": 64,
    f"{OVF}fileRef": 1024,
    f"{OVF}href": 1024,
    f"{OVF}format": 1024,
    f"{OVF}id": 1024,
}
_MAX_LICENSE = 128 * 1024
OS_TYPES = " or ".join(architecture.hardware.os_type for architecture in ARCHITECTURES)


@_rule("ovf.xml", IMPORT, "the descriptor is well-formed XML", prevents="the import shows an XML error")
def check_xml(ova: Ova) -> Iterator[str]:
    if b"<!ENTITY" in ova.descriptor:
        _ = ova.envelope  # which says why it is not judged
    try:
        _ = ova.envelope
    except Unjudgeable as reason:
        yield str(reason)


@_rule("ovf.doctype", PROMISE, "the descriptor has no document type", prevents="entities can stand for gigabytes")
def check_document_type(ova: Ova) -> Iterator[str]:
    if b"<!DOCTYPE" in ova.descriptor:
        yield "it has one"


@_rule(
    "ovf.namespace",
    IMPORT,
    "the root is OVF's Envelope, VirtualBox's prefix vbox",
    prevents="Root element in OVF file must be 'Envelope', or port forwards and firmware are lost",
)
def check_namespace(ova: Ova) -> Iterator[str]:
    if ova.envelope.tag != f"{OVF}Envelope":
        yield f"the root is {ova.envelope.tag}"
    # VirtualBox finds the element by the letters of its prefix.
    if ova.envelope.find(f".//{VBOX}Machine") is not None and b"<vbox:Machine" not in ova.descriptor:
        yield "VirtualBox's element has another prefix than vbox"


@_rule("ovf.version", PROMISE, "the envelope is of OVF 1", prevents="older programs know OVF 1 alone")
def check_standard(ova: Ova) -> Iterator[str]:
    if ova.described.tag != f"{OVF}Envelope":
        yield f"the root is {ova.described.tag}"


@_rule(
    "ovf.length",
    IMPORT,
    "VirtualBox can hold each text and attribute",
    prevents="Element '%s' exceeds limit of %d bytes VERR_BUFFER_OVERFLOW",
)
def check_lengths(ova: Ova) -> Iterator[str]:
    for element in ova.envelope.iter():
        tag = element.tag.rpartition("}")[2]
        cap = _MAX_LICENSE if tag == "License" else MAX_TEXT
        if len((element.text or "").encode()) >= cap:
            yield f"{tag}: {len((element.text or '').encode())} bytes of text, fewer than {cap} allowed"
        for name, limit in _ATTRIBUTE_CAPS.items():
            if len(element.get(name, "").encode()) >= limit and element.tag != f"{OVF}VirtualSystem":
                yield f"{tag}: attribute {name.rpartition('}')[2]} has {limit} bytes or more"


@_rule(
    "ovf.file",
    IMPORT,
    "each File has its own id and a member, no compression",
    prevents="Unexpected end of OVA package",
)
def check_files(ova: Ova) -> Iterator[str]:
    for id, times in Counter(file.get(f"{OVF}id") for file in ova.references).items():
        if not id or times > 1:
            yield f"id {id!r} is used {times} times"
    for file in ova.references:
        name = file.get(f"{OVF}href", "")
        if name not in ova.files:
            yield f"{name!r} is not in the archive"
        if file.get(f"{OVF}compression"):
            yield f"{name}: compression on top of a compressed disk"


@_rule("ovf.size", PROMISE, "no File has a wrong size", prevents="the descriptor contradicts the archive")
def check_sizes(ova: Ova) -> Iterator[str]:
    for file in ova.references:
        name, size = file.get(f"{OVF}href", ""), file.get(f"{OVF}size")
        if name in ova.files and size not in (None, str(ova.files[name].size)):
            yield f"{name}: has {ova.files[name].size} bytes, the descriptor says {size}"


@_rule(
    "ovf.disk",
    IMPORT,
    "each Disk has diskId, format, capacity and a File",
    prevents="missing or invalid attribute '%s' in 'DiskSection' element; cannot find References/File element for ID",
)
def check_disks(ova: Ova) -> Iterator[str]:
    known = {file.get(f"{OVF}id") for file in ova.references}
    for disk in ova.disks:
        for name in ("diskId", "format", "capacity"):
            if not disk.get(OVF + name):
                yield f"the attribute {name} is missing"
        if not disk.get(f"{OVF}capacity", "0").isdecimal():
            yield f"capacity {disk.get(f'{OVF}capacity')!r} is no number"
        if disk.get(f"{OVF}fileRef") not in known:
            yield f"fileRef {disk.get(f'{OVF}fileRef')!r} leads to no File"


@_rule("ovf.has-disk", PROMISE, "there is a Disk with a File", prevents="the machine has nothing to start")
def check_has_disk(ova: Ova) -> Iterator[str]:
    if not ova.references:
        yield "References names no file"
    if not ova.disks:
        yield "DiskSection defines no disk"


@_rule(
    "ovf.format",
    PROMISE,
    "each disk is called a stream-optimised VMDK",
    prevents="the descriptor contradicts the disk file",
)
def check_format(ova: Ova) -> Iterator[str]:
    for disk in ova.disks:
        if disk.get(f"{OVF}format") not in (None, STREAM_OPTIMIZED):
            yield f"{disk.get(f'{OVF}format')!r}"


@_rule("ovf.capacity", PROMISE, "the capacity is the disk file's, in bytes", prevents="the import shows wrong sizes")
def check_capacity(ova: Ova) -> Iterator[str]:
    for disk in ova.disks:
        capacity = ova.image_of(disk).header.capacity * SECTOR
        if disk.get(f"{OVF}capacity") not in (None, str(capacity)):
            yield f"{disk.get(f'{OVF}capacity')}, the disk file has {capacity}"
        if disk.get(f"{OVF}capacityAllocationUnits", "byte") != "byte":
            yield "VirtualBox ignores the unit: it must be byte"


@_rule("ovf.system", IMPORT, "there is a VirtualSystem", prevents="the import offers no machine")
def check_system(ova: Ova) -> Iterator[str]:
    if not _systems(ova):
        yield "there is none"


@_rule(
    "ovf.one-system", PROMISE, "there is one VirtualSystem, with an id", prevents="the import offers several machines"
)
def check_one_system(ova: Ova) -> Iterator[str]:
    if len(_systems(ova)) != 1:
        yield f"{len(_systems(ova))} of them"
    for system in _systems(ova):
        if not 0 < len(system.get(f"{OVF}id", "").encode()) < _ATTRIBUTE_CAPS[f"{OVF}id"]:
            yield "the id is missing or too long"


@_rule("ovf.product", PROMISE, "product, vendor, version and URL are given", prevents="the import dialog lacks them")
def check_product(ova: Ova) -> Iterator[str]:
    for name in ("Product", "Vendor", "Version"):
        if not (ova.system.findtext(f"{OVF}ProductSection/{OVF}{name}") or "").strip():
            yield f"{name} is missing"
    if "http" not in (ova.system.findtext(f"{OVF}AnnotationSection/{OVF}Annotation") or ""):
        yield "the annotation with a URL is missing"


@_rule(
    "ovf.os",
    IMPORT,
    "a section about the operating system has a CIM id",
    prevents="missing or invalid 'ovf:id' attribute in operating system section",
)
def check_os(ova: Ova) -> Iterator[str]:
    for section in ova.system.findall(f"{OVF}OperatingSystemSection"):
        if not (section.get(f"{OVF}id") or "").isdecimal():
            yield f"id {section.get(f'{OVF}id')!r}"


@_rule(
    "ovf.os-type",
    PROMISE,
    f"the operating system is {OS_TYPES}, CIM id {_DEBIAN_64}",
    prevents="VirtualBox can take it for another system",
)
def check_os_type(ova: Ova) -> Iterator[str]:
    section = ova.system.find(f"{OVF}OperatingSystemSection")
    if section is None:
        yield "OperatingSystemSection is missing"
        return
    if section.get(f"{OVF}id") != _DEBIAN_64:
        yield f"id {section.get(f'{OVF}id')!r}"
    if section.findtext(f"{VBOX}OSType", ova.wanted.os_type) != ova.wanted.os_type:
        yield f"vbox:OSType {section.findtext(f'{VBOX}OSType')!r}"


def _systems(ova: Ova) -> list[Element]:
    return ova.envelope.findall(f".//{OVF}VirtualSystem")
