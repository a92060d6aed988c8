"""Rules about the virtual hardware in the OVF descriptor: its items, without VirtualBox's own element."""

import re
from collections import Counter
from collections.abc import Generator, Iterator
from functools import partial
from xml.etree.ElementTree import Element

from practicum.architecture import ARCHITECTURES
from practicum.ova.conformance.envelope import OVF, RASD
from practicum.ova.conformance.rules import IMPORT, PROMISE, Rule, rule
from practicum.ova.conformance.subject import Ova

RULES: list[Rule] = []
_rule = partial(rule, RULES)

CPU, MEMORY, DISK, NETWORK_CARD, CONTROLLER, SOUND = 3, 4, 17, 10, 20, 35
_KNOWN_ITEMS = {CPU, MEMORY, 5, 6, NETWORK_CARD, 14, 15, DISK, CONTROLLER, 23, SOUND}
_MEMORY_UNITS = {"MegaBytes": 1, "MB": 1, "byte * 2^20": 1, "GigaBytes": 1024, "GB": 1024, "byte * 2^30": 1024}
_IDE, _SCSI = 5, 6
_MAX_CPUS = 64  # of a VirtualBox machine
_MAX_PORTS = 30  # of an AHCI controller
_CONTROLLERS = ("ahci", "vmware.sata.ahci", "virtioscsi", "virtio-scsi", "nvme", "vmware.nvme.controller")
_SAME_CONTROLLER = {"vmware.sata.ahci": "ahci"}
CONTROLLERS = ", ".join(
    f"{architecture.hardware.controller} for {architecture.hardware.os_type}" for architecture in ARCHITECTURES
)


@_rule("ovf.item", IMPORT, "each item has a ResourceType", prevents="Empty element ResourceType under Item element")
def check_items(ova: Ova) -> Iterator[str]:
    for item in ova.items:
        if not item_value(item, "ResourceType").isdecimal():
            yield f"ResourceType {item_value(item, 'ResourceType')!r} is no number"


@_rule("ovf.item-id", PROMISE, "each item has its own InstanceID", prevents="two items cannot be told apart")
def check_item_ids(ova: Ova) -> Iterator[str]:
    for instance, times in Counter(item_value(item, "InstanceID") for item in ova.items).items():
        if not instance or times > 1:
            yield f"InstanceID {instance!r} is used {times} times"


@_rule(
    "ovf.item-type",
    IMPORT,
    "VirtualBox knows each item, or may skip it",
    prevents="Unknown resource type %d in hardware item, line %d",
)
def check_item_types(ova: Ova) -> Iterator[str]:
    for item in ova.items:
        kind = item_value(item, "ResourceType")
        if kind.isdecimal() and int(kind) not in _KNOWN_ITEMS and item.get(f"{OVF}required") != "false":
            yield f"type {kind}"


@_rule("ovf.cpu", PROMISE, f"one CPU item gives 1 to {_MAX_CPUS} CPUs", prevents="the machine gets one CPU")
def check_cpu(ova: Ova) -> Iterator[str]:
    item = yield from _only_item(ova, CPU)
    if item is not None and not 1 <= _number(item, "VirtualQuantity") <= _MAX_CPUS:
        yield f"VirtualQuantity {item_value(item, 'VirtualQuantity')!r}"


@_rule("ovf.memory-unit", IMPORT, "memory has a known unit", prevents='Invalid allocation unit "%s" specified')
def check_memory_unit(ova: Ova) -> Iterator[str]:
    for item in items_of(ova, MEMORY):
        if item_value(item, "AllocationUnits") not in _MEMORY_UNITS:
            yield f"AllocationUnits {item_value(item, 'AllocationUnits')!r}"


@_rule("ovf.memory", PROMISE, "one memory item has a quantity", prevents="the machine gets the default memory")
def check_memory(ova: Ova) -> Iterator[str]:
    item = yield from _only_item(ova, MEMORY)
    if item is not None and _number(item, "VirtualQuantity") < 1:
        yield f"VirtualQuantity {item_value(item, 'VirtualQuantity')!r}"


@_rule(
    "ovf.controller-type",
    IMPORT,
    f"VirtualBox knows the type of each controller: {', '.join(_CONTROLLERS)}",
    prevents='Host resource of type "%s" (%d) is supported with SATA AHCI or Virtio-SCSI or NVMe controllers only',
)
def check_controller_type(ova: Ova) -> Iterator[str]:
    for item in items_of(ova, CONTROLLER):
        if item_value(item, "ResourceSubType").lower() not in _CONTROLLERS:
            yield f"ResourceSubType {item_value(item, 'ResourceSubType')!r}"


@_rule(
    "ovf.controller",
    PROMISE,
    f"the one disk controller is {CONTROLLERS}",
    prevents="the machine differs from the tested one",
)
def check_controller(ova: Ova) -> Iterator[str]:
    item = yield from _only_item(ova, CONTROLLER)
    wanted = ova.wanted.controller
    subtype = item_value(item, "ResourceSubType") if item is not None else wanted
    if _SAME_CONTROLLER.get(subtype.lower(), subtype.lower()) != wanted.lower():
        yield f"ResourceSubType {subtype!r}"
    if items_of(ova, _IDE) or items_of(ova, _SCSI):
        yield "there is an IDE or SCSI controller too"


@_rule(
    "ovf.disk-item",
    IMPORT,
    "each disk item names a controller and a Disk",
    prevents="specifies invalid parent, specifies invalid host resource",
)
def check_disk_items(ova: Ova) -> Iterator[str]:
    parents = _find_controllers(ova)
    defined = [disk.get(f"{OVF}diskId", "") for disk in ova.disks]
    for item in items_of(ova, DISK):
        if item_value(item, "Parent") not in parents:
            yield f"Parent {item_value(item, 'Parent')!r} is no disk controller"
        if disk_of(item) not in defined:
            yield f"HostResource {item_value(item, 'HostResource')!r} is no disk"


@_rule("ovf.attached", PROMISE, "each Disk hangs on a port of its own", prevents="the machine lacks a disk")
def check_attached(ova: Ova) -> Iterator[str]:
    for item in items_of(ova, DISK):
        if not 0 <= _number(item, "AddressOnParent") < _MAX_PORTS:
            yield f"AddressOnParent {item_value(item, 'AddressOnParent')!r} is no port of a disk controller"
    attached = [disk_of(item) for item in items_of(ova, DISK)]
    defined = [disk.get(f"{OVF}diskId", "") for disk in ova.disks]
    if sorted(attached) != sorted(defined):
        yield f"attached are {attached}, defined are {defined}"


@_rule(
    "ovf.network-card",
    PROMISE,
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
    PROMISE,
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


def disk_of(item: Element) -> str:
    """Return the diskId that a disk item names, "" where it names none."""
    match = re.fullmatch(r"(?:ovf:/?)?/disk/(.+)", item_value(item, "HostResource"))
    return match[1] if match else ""


def memory_mb(item: Element) -> int:
    """Return the megabytes of a memory item, -1 when it makes no sense."""
    return _number(item, "VirtualQuantity") * _MEMORY_UNITS.get(item_value(item, "AllocationUnits"), 1)


def _find_controllers(ova: Ova) -> set[str]:
    """Return the InstanceIDs of the controllers that VirtualBox makes: of SCSI one, of AHCI and the like one each."""
    first: dict[str, str] = {}
    for item in (*items_of(ova, _SCSI), *items_of(ova, CONTROLLER)):
        kind = item_value(item, "ResourceType")
        model = item_value(item, "ResourceSubType").lower() if kind == f"{CONTROLLER}" else kind
        first.setdefault(model, item_value(item, "InstanceID"))
    return {*first.values(), *(item_value(item, "InstanceID") for item in items_of(ova, _IDE))}


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
