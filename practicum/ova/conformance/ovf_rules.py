"""Rules about the OVF descriptor, without its hardware and VirtualBox's own element."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

from practicum.architecture import ARCHITECTURES
from practicum.ova.conformance.rules import Rule, rule
from practicum.ova.conformance.subject import OVF, VBOX, Ova, Unjudgeable
from practicum.ova.ovf import MAX_TEXT, STREAM_OPTIMIZED
from practicum.ova.vmdk_format import SECTOR

RULES: list[Rule] = []
_rule = partial(rule, RULES)

_DEBIAN_64 = "96"  # CIM's number of 64-bit Debian, on any processor
_ATTRIBUTE_CAPS = {
    f"{OVF}diskId": 64,
    f"{VBOX}uuid": 64,
    f"{OVF}compression": 64,
    f"{OVF}href": 1024,
    f"{OVF}format": 1024,
    f"{OVF}id": 1024,
}
_MAX_LICENSE = 128 * 1024
OS_TYPES = " or ".join(architecture.hardware.os_type for architecture in ARCHITECTURES)


@_rule(
    "ovf.xml",
    "the descriptor is well-formed XML without document type",
    prevents="the import shows an XML error",
)
def check_xml(ova: Ova) -> Iterator[str]:
    if ova.descriptor:  # a missing descriptor is another rule's business
        try:
            _ = ova.envelope
        except Unjudgeable as reason:
            yield str(reason)


@_rule(
    "ovf.namespace",
    "the root is OVF 1's Envelope, VirtualBox's prefix vbox",
    prevents="Root element in OVF file must be 'Envelope'.",
)
def check_namespace(ova: Ova) -> Iterator[str]:
    if ova.envelope.tag != f"{OVF}Envelope":
        yield f"the root is {ova.envelope.tag}"
    # VirtualBox finds the element by the letters of its prefix.
    if ova.envelope.find(f".//{VBOX}Machine") is not None and b"<vbox:Machine" not in ova.descriptor:
        yield "VirtualBox's element has another prefix than vbox"


@_rule(
    "ovf.length",
    "VirtualBox can hold each text and attribute",
    prevents="VirtualBox refuses the descriptor",
)
def check_lengths(ova: Ova) -> Iterator[str]:
    for element in ova.envelope.iter():
        tag = element.tag.rpartition("}")[2]
        cap = _MAX_LICENSE if tag == "License" else MAX_TEXT
        if len((element.text or "").encode()) >= cap:
            yield f"{tag}: {len((element.text or '').encode())} bytes of text, fewer than {cap} allowed"
        for name, limit in _ATTRIBUTE_CAPS.items():
            if len(element.get(name, "").encode()) >= limit:
                yield f"{tag}: attribute {name.rpartition('}')[2]} has {limit} bytes or more"


@_rule(
    "ovf.file",
    "each File has its own id, a member, no wrong size, no compression",
    prevents="Internal inconsistency looking up disk image '%s'",
)
def check_files(ova: Ova) -> Iterator[str]:
    if not ova.references:
        yield "References names no file"
    for id, times in Counter(file.get(f"{OVF}id") for file in ova.references).items():
        if not id or times > 1:
            yield f"id {id!r} is used {times} times"
    for file in ova.references:
        name, size = file.get(f"{OVF}href", ""), file.get(f"{OVF}size")
        if name not in ova.files:
            yield f"{name!r} is not in the archive"
        elif size is not None and size != str(ova.files[name].size):
            yield f"{name}: has {ova.files[name].size} bytes, the descriptor says {size}"
        if file.get(f"{OVF}compression"):
            yield f"{name}: compression on top of a compressed disk"


@_rule(
    "ovf.disk",
    "each Disk has diskId, format, capacity and a File",
    prevents="missing or invalid attribute '%s' in 'DiskSection' element; cannot find References/File element for ID",
)
def check_disks(ova: Ova) -> Iterator[str]:
    if not ova.disks:
        yield "DiskSection defines no disk"
    known = {file.get(f"{OVF}id") for file in ova.references}
    for disk in ova.disks:
        for name in ("diskId", "format", "capacity"):
            if not disk.get(OVF + name):
                yield f"the attribute {name} is missing"
        if disk.get(f"{OVF}fileRef") not in known:
            yield f"fileRef {disk.get(f'{OVF}fileRef')!r} leads to no File"


@_rule(
    "ovf.format",
    "the disk is a stream-optimised VMDK",
    prevents='Unsupported format for virtual disk image %s in OVF: "%s"',
)
def check_format(ova: Ova) -> Iterator[str]:
    for disk in ova.disks:
        if disk.get(f"{OVF}format") not in (None, STREAM_OPTIMIZED):
            yield f"{disk.get(f'{OVF}format')!r}"


@_rule(
    "ovf.capacity",
    "the capacity is the disk file's, in bytes",
    prevents="the import shows wrong sizes",
)
def check_capacity(ova: Ova) -> Iterator[str]:
    for disk in ova.disks:
        capacity = ova.image_of(disk).header.capacity * SECTOR
        if disk.get(f"{OVF}capacity") not in (None, str(capacity)):
            yield f"{disk.get(f'{OVF}capacity')}, the disk file has {capacity}"
        if disk.get(f"{OVF}capacityAllocationUnits", "byte") != "byte":
            yield "VirtualBox ignores the unit: it must be byte"


@_rule(
    "ovf.system",
    "there is one VirtualSystem, with an id",
    prevents="the import offers no machine, or several",
)
def check_system(ova: Ova) -> Iterator[str]:
    systems = ova.envelope.findall(f".//{OVF}VirtualSystem")
    if len(systems) != 1:
        yield f"{len(systems)} of them"
    for system in systems:
        if not system.get(f"{OVF}id"):
            yield "the id is missing"


@_rule(
    "ovf.product",
    "product, vendor, version and URL are given",
    prevents="the import dialog lacks them",
)
def check_product(ova: Ova) -> Iterator[str]:
    for name in ("Product", "Vendor", "Version"):
        if not (ova.system.findtext(f"{OVF}ProductSection/{OVF}{name}") or "").strip():
            yield f"{name} is missing"
    if "http" not in (ova.system.findtext(f"{OVF}AnnotationSection/{OVF}Annotation") or ""):
        yield "the annotation with a URL is missing"


@_rule(
    "ovf.os",
    f"the operating system is {OS_TYPES}, CIM id {_DEBIAN_64}",
    prevents="missing or invalid 'ovf:id' attribute in operating system section",
)
def check_os(ova: Ova) -> Iterator[str]:
    section = ova.system.find(f"{OVF}OperatingSystemSection")
    if section is None:
        yield "OperatingSystemSection is missing"
        return
    if section.get(f"{OVF}id") != _DEBIAN_64:
        yield f"id {section.get(f'{OVF}id')!r}"
    if section.findtext(f"{VBOX}OSType", ova.wanted.os_type) != ova.wanted.os_type:
        yield f"vbox:OSType {section.findtext(f'{VBOX}OSType')!r}"
