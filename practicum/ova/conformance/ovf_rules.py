"""Rules about the OVF descriptor, without VirtualBox's own element."""

from collections import Counter
from collections.abc import Generator, Iterator
from functools import partial
from xml.etree.ElementTree import Element

from practicum.architecture import ARCHITECTURES
from practicum.ova.conformance.rules import Rule, rule
from practicum.ova.conformance.subject import OVF, RASD, VBOX, Ova, Unjudgeable
from practicum.ova.ovf import MAX_TEXT, STREAM_OPTIMIZED
from practicum.ova.vmdk_format import SECTOR

RULES: list[Rule] = []
_rule = partial(rule, RULES)

CPU, MEMORY, DISK, NETWORK_CARD, CONTROLLER, SOUND = 3, 4, 17, 10, 20, 35
_KNOWN_ITEMS = {CPU, MEMORY, 5, 6, NETWORK_CARD, 14, 15, DISK, CONTROLLER, 23, SOUND}
_MEMORY_UNITS = {"MegaBytes": 1, "MB": 1, "byte * 2^20": 1, "GigaBytes": 1024, "GB": 1024, "byte * 2^30": 1024}
_DEBIAN_64 = "96"  # CIM's number of 64-bit Debian, on any processor
_MAX_CPUS = 64  # of a VirtualBox machine
_ATTRIBUTE_CAPS = {
    f"{OVF}diskId": 64,
    f"{VBOX}uuid": 64,
    f"{OVF}compression": 64,
    f"{OVF}href": 1024,
    f"{OVF}format": 1024,
    f"{OVF}id": 1024,
}
_MAX_LICENSE = 128 * 1024
_SAME_CONTROLLER = {"vmware.sata.ahci": "ahci"}
OS_TYPES = " or ".join(architecture.hardware.os_type for architecture in ARCHITECTURES)
CONTROLLERS = ", ".join(
    f"{architecture.hardware.controller} for {architecture.hardware.os_type}" for architecture in ARCHITECTURES
)


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


@_rule(
    "ovf.item",
    "each item has a ResourceType and its own InstanceID",
    prevents="duplicate or missing InstanceID in the virtual hardware",
)
def check_items(ova: Ova) -> Iterator[str]:
    for instance, times in Counter(item_value(item, "InstanceID") for item in ova.items).items():
        if not instance or times > 1:
            yield f"InstanceID {instance!r} is used {times} times"
    for item in ova.items:
        if not item_value(item, "ResourceType").isdecimal():
            yield f"ResourceType {item_value(item, 'ResourceType')!r} is no number"


@_rule(
    "ovf.item-type",
    "VirtualBox knows each item, or may skip it",
    prevents="Unknown resource type %d in hardware item, line %d",
)
def check_item_types(ova: Ova) -> Iterator[str]:
    for item in ova.items:
        kind = item_value(item, "ResourceType")
        if kind.isdecimal() and int(kind) not in _KNOWN_ITEMS and item.get(f"{OVF}required") != "false":
            yield f"type {kind}"


@_rule("ovf.cpu", f"one CPU item gives 1 to {_MAX_CPUS} CPUs", prevents="the machine gets one CPU")
def check_cpu(ova: Ova) -> Iterator[str]:
    item = yield from _only_item(ova, CPU)
    if item is not None and not 1 <= _number(item, "VirtualQuantity") <= _MAX_CPUS:
        yield f"VirtualQuantity {item_value(item, 'VirtualQuantity')!r}"


@_rule(
    "ovf.memory",
    "one memory item has a quantity and known unit",
    prevents="Invalid allocation unit, or the machine gets the default memory",
)
def check_memory(ova: Ova) -> Iterator[str]:
    item = yield from _only_item(ova, MEMORY)
    if item is None:
        return
    if item_value(item, "AllocationUnits") not in _MEMORY_UNITS:
        yield f"AllocationUnits {item_value(item, 'AllocationUnits')!r}"
    if _number(item, "VirtualQuantity") < 1:
        yield f"VirtualQuantity {item_value(item, 'VirtualQuantity')!r}"


@_rule(
    "ovf.controller",
    f"the one disk controller is {CONTROLLERS}",
    prevents='Host resource of type "%s" (%d) is supported with SATA AHCI controllers only',
)
def check_controller(ova: Ova) -> Iterator[str]:
    item = yield from _only_item(ova, CONTROLLER)
    wanted = ova.wanted.controller
    subtype = item_value(item, "ResourceSubType") if item is not None else wanted
    if _SAME_CONTROLLER.get(subtype.lower(), subtype.lower()) != wanted.lower():
        yield f"ResourceSubType {subtype!r}"
    if any(item_value(item, "ResourceType") in ("5", "6") for item in ova.items):
        yield "there is an IDE or SCSI controller too"


@_rule(
    "ovf.disk-item",
    "each Disk hangs on a controller's port",
    prevents="specifies invalid parent, specifies invalid host resource",
)
def check_disk_items(ova: Ova) -> Iterator[str]:
    parents = {
        item_value(item, "InstanceID") for item in ova.items if item_value(item, "ResourceType") == f"{CONTROLLER}"
    }
    attached = []
    for item in items_of(ova, DISK):
        if item_value(item, "Parent") not in parents:
            yield f"Parent {item_value(item, 'Parent')!r} is no disk controller"
        resource = item_value(item, "HostResource")
        attached.append(resource.removeprefix("ovf:").removeprefix("/").removeprefix("/disk/").removeprefix("disk/"))
        if not resource.startswith(("/disk/", "ovf:/disk/", "ovf://disk/")):
            yield f"HostResource {resource!r} is no disk"
        if not 0 <= _number(item, "AddressOnParent") < 30:
            yield f"AddressOnParent {item_value(item, 'AddressOnParent')!r} is no port of a disk controller"
    defined = [disk.get(f"{OVF}diskId", "") for disk in ova.disks]
    if sorted(attached) != sorted(defined):
        yield f"attached are {attached}, defined are {defined}"


@_rule(
    "ovf.network-card",
    "the one card is an E1000 behind NAT",
    prevents="VirtualBox bridges it to the host's network",
)
def check_network_card(ova: Ova) -> Iterator[str]:
    item = yield from _only_item(ova, NETWORK_CARD)
    if item is not None and item_value(item, "Connection").lower() != "nat":
        yield f"Connection {item_value(item, 'Connection')!r}"
    if item is not None and item_value(item, "ResourceSubType") != "E1000":
        yield f"ResourceSubType {item_value(item, 'ResourceSubType')!r}"


@_rule(
    "ovf.network",
    "NetworkSection defines each card's network",
    prevents="other importers refuse the descriptor",
)
def check_networks(ova: Ova) -> Iterator[str]:
    defined = {network.get(f"{OVF}name") for network in ova.envelope.findall(f"{OVF}NetworkSection/{OVF}Network")}
    for item in items_of(ova, NETWORK_CARD):
        if item_value(item, "Connection") not in defined:
            yield f"{item_value(item, 'Connection')!r} is not defined"


def items_of(ova: Ova, kind: int) -> list[Element]:
    """Return the hardware items of one CIM resource type."""
    return [item for item in ova.items if item_value(item, "ResourceType") == str(kind)]


def item_value(item: Element, name: str) -> str:
    """Return the text of a child of a hardware item, "" when there is none."""
    return (item.findtext(RASD + name) or "").strip()


def memory_mb(item: Element) -> int:
    """Return the megabytes of a memory item, -1 when it makes no sense."""
    return _number(item, "VirtualQuantity") * _MEMORY_UNITS.get(item_value(item, "AllocationUnits"), 1)


def _number(item: Element, name: str) -> int:
    text = item_value(item, name)
    return int(text) if text.isdecimal() and len(text) < 10 else -1


def _only_item(ova: Ova, kind: int) -> Generator[str, None, Element | None]:
    """Return the one item of a type; yields the problem and returns None when there are none or several."""
    items = items_of(ova, kind)
    if len(items) != 1:
        yield f"{len(items)} items of type {kind}"
        return None
    return items[0]
