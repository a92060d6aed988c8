"""Rules about `vbox:Machine`, VirtualBox's own element."""

import re
from collections.abc import Iterator
from functools import partial

from practicum.architecture import ARCHITECTURES
from practicum.ova.conformance.envelope import OVF, VBOX
from practicum.ova.conformance.hardware_rules import (
    CONTROLLERS,
    CPU,
    DISK,
    MEMORY,
    SOUND,
    disk_of,
    item_value,
    items_of,
    memory_mb,
)
from practicum.ova.conformance.ovf_rules import OS_TYPES
from practicum.ova.conformance.rules import IMPORT, PROMISE, Rule, rule
from practicum.ova.conformance.subject import Ova
from practicum.ova.vmdk_reader import is_uuid

RULES: list[Rule] = []
_rule = partial(rule, RULES)
_VERSIONS = ", ".join(
    f"{'' if architecture.hardware.platform else 'at most '}{architecture.hardware.settings} for "
    f"{architecture.hardware.os_type}"
    for architecture in ARCHITECTURES
)
_IDE = ("PIIX3", "PIIX4", "ICH6")
_IDE_PORTS = 2
_OLDEST = (1, 3)  # settings version that VirtualBox reads
_WITH_PLATFORM = (1, 20)  # settings version from which on the processor is named


@_rule(
    "machine.settings",
    IMPORT,
    "vbox:Machine has a name, a UUID in braces, and a version that VirtualBox reads",
    prevents='Cannot handle settings version "%s"; UUID "%s" has invalid format',
)
def check_settings(ova: Ova) -> Iterator[str]:
    for machine in ova.machines:
        uuid, version = machine.get("uuid", ""), machine.get("version")
        if not re.fullmatch(r"\{.*\}", uuid) or not is_uuid(uuid[1:-1]):
            yield f"uuid {uuid!r}"
        if not machine.get("name"):
            yield "name is missing"
        if version is not None and _parse_version(version) < _OLDEST:
            yield f"version {version!r}"


@_rule(
    "machine.processor",
    IMPORT,
    "settings from version 1.20 on name the processor, older ones are for x86",
    prevents="Required Machine/@Platform element is missing, or an ARM is imported as x86 without a word",
)
def check_processor(ova: Ova) -> Iterator[str]:
    for machine in ova.machines:
        platform, version = machine.find("{*}Platform"), machine.get("version", "")
        named = platform.get("architecture", "") if platform is not None else ""
        if _parse_version(version) < _WITH_PLATFORM:
            if named not in ("", "x86"):
                yield f"version {version!r} cannot name {named!r}"
        elif platform is None or named not in ("x86", "ARM"):
            yield f"architecture {named!r}"
        elif platform.find(f"{{*}}{named.lower()}") is None:
            yield f"Platform has no element {named.lower()}"


@_rule(
    "machine.present",
    PROMISE,
    f"one optional vbox:Machine has Info first, {OS_TYPES}",
    prevents="port forwards and firmware are lost",
)
def check_present(ova: Ova) -> Iterator[str]:
    if len(ova.machines) != 1:
        yield f"{len(ova.machines)} of them"
    for machine in ova.machines:
        if machine.get(f"{OVF}required") != "false":
            yield "other importers would refuse the descriptor: ovf:required is not false"
        if not len(machine) or machine[0].tag != f"{OVF}Info":
            yield "its first child is not ovf:Info"
        if machine.get("OSType") != ova.wanted.os_type:
            yield f"OSType {machine.get('OSType')!r}, which overrides the other places"


@_rule(
    "machine.version",
    PROMISE,
    f"the settings version is {_VERSIONS}",
    prevents="an older VirtualBox refuses the settings",
)
def check_version(ova: Ova) -> Iterator[str]:
    version = ova.machine.get("version", "")
    known, newest = _parse_version(version), _parse_version(ova.wanted.settings)
    if not known or known > newest or (ova.wanted.platform and known < newest):
        yield f"version {version!r}"


@_rule(
    "machine.disk",
    IMPORT,
    "vbox:Machine attaches disks of the hardware's items, by their plain, lower-case UUID",
    prevents="<vbox:Machine> element in OVF contains a medium attachment for the disk image %s",
)
def check_disks(ova: Ova) -> Iterator[str]:
    items = {disk_of(item) for item in items_of(ova, DISK)}
    known = {disk.get(f"{VBOX}uuid") for disk in ova.disks if disk.get(f"{OVF}diskId") in items}
    for machine in ova.machines:
        for image in machine.findall(".//{*}Image"):
            uuid = image.get("uuid", "").strip("{}").lower()
            if not is_uuid(uuid) or uuid not in known:
                yield f"{image.get('uuid')!r} is no disk of an item"


@_rule("machine.attached", PROMISE, "vbox:Machine attaches each Disk", prevents="the machine lacks a disk")
def check_attached(ova: Ova) -> Iterator[str]:
    defined = [disk.get(f"{VBOX}uuid", "") for disk in ova.disks]
    for uuid in defined:
        if not is_uuid(uuid) or uuid != uuid.lower() or not uuid.strip("0-"):
            yield f"vbox:uuid {uuid!r} of a Disk"
    attached = [image.get("uuid", "").strip("{}").lower() for image in ova.machine.findall(".//{*}Image")]
    if sorted(attached) != sorted(defined):
        yield f"attached are {attached}, defined are {defined}"


@_rule(
    "machine.port",
    IMPORT,
    "each device of a controller has one of its ports, of which IDE has two",
    prevents="Invalid port count: %d (must be in range [%d, %d])",
)
def check_ports(ova: Ova) -> Iterator[str]:
    for machine in ova.machines:
        for controller in machine.findall(".//{*}StorageController[@PortCount]"):
            ports = _number(controller.get("PortCount"))
            if controller.get("type") in _IDE and ports != _IDE_PORTS:
                yield f"{controller.get('type')} with {controller.get('PortCount')!r} ports"
            for device in controller.findall("{*}AttachedDevice"):
                if _number(device.get("port")) not in range(ports):
                    yield f"port {device.get('port')!r} of {controller.get('PortCount')!r}"


@_rule(
    "machine.storage",
    PROMISE,
    f"one controller, {CONTROLLERS}, has the disk, without host cache",
    prevents="acknowledged writes can be lost",
)
def check_storage(ova: Ova) -> Iterator[str]:
    controllers = ova.machine.findall(".//{*}StorageController")
    if [controller.get("type") for controller in controllers] != [ova.wanted.controller]:
        yield f"controllers {[controller.get('type') for controller in controllers]}"
    for controller in controllers:
        if controller.get("useHostIOCache") != "false":
            yield "useHostIOCache is not false"


@_rule(
    "machine.hardware",
    PROMISE,
    "CPUs and memory equal the hardware items",
    prevents="VirtualBox takes the items' numbers",
)
def check_hardware(ova: Ova) -> Iterator[str]:
    cpu = ova.machine.find("{*}Platform/{*}CPU") if ova.wanted.platform else ova.hardware.find("{*}CPU")
    memory = ova.hardware.find("{*}Memory")
    for item in items_of(ova, CPU):
        if cpu is None or cpu.get("count", "1") != item_value(item, "VirtualQuantity"):
            yield "CPU count differs from the item"
    for item in items_of(ova, MEMORY):
        if memory is None or _number(memory.get("RAMSize")) != memory_mb(item):
            yield "Memory RAMSize differs from the item"


@_rule(
    "machine.sound",
    PROMISE,
    "there is no sound item or enabled adapter",
    prevents="each start asks for the microphone",
)
def check_sound(ova: Ova) -> Iterator[str]:
    if items_of(ova, SOUND):
        yield f"an item of type {SOUND}"
    adapter = ova.hardware.find("{*}AudioAdapter")
    if adapter is None or adapter.get("enabled") != "false":
        yield "AudioAdapter is not disabled"


@_rule(
    "machine.host-ties",
    PROMISE,
    "shared folders, serial ports, NVRAM and extra data are absent",
    prevents="VirtualBox warns that it removed them",
)
def check_host_ties(ova: Ova) -> Iterator[str]:
    for tag in ("SharedFolder", "ExtraDataItem", "NVRAM"):
        if ova.machine.find(f".//{{*}}{tag}") is not None:
            yield f"{tag}"
    for port in ova.machine.findall(".//{*}UART/{*}Port"):
        if port.get("enabled") == "true":
            yield f"serial port in slot {port.get('slot')}"


def _parse_version(text: str) -> tuple[int, ...]:
    """Return the numbers of a settings version, () where it is none."""
    match = re.fullmatch(r"(\d{1,4})\.(\d{1,4})(-\w+)?", text)
    return (int(match[1]), int(match[2])) if match else ()


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else -1
