"""Rules about `vbox:Machine`, VirtualBox's own element."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from xml.etree.ElementTree import Element

from practicum.ova.conformance.ovf_rules import CPU, MEMORY, SOUND, item_value, items_of, memory_mb
from practicum.ova.conformance.rules import Rule, rule
from practicum.ova.conformance.subject import OVF, VBOX, Ova
from practicum.ova.ovf import SETTINGS_VERSION
from practicum.ova.vmdk_reader import is_uuid

RULES: list[Rule] = []
_rule = partial(rule, RULES)
_NEWEST = (1, 16)  # what VirtualBox 5.1 and everything since reads
_LOOPBACK = "127.0.0.1"


@_rule(
    "machine.present",
    "the VirtualSystem has one vbox:Machine, not required of others, with Info first, a uuid, a name and Debian_64",
    prevents="port forwards, graphics and firmware of the machine are lost",
)
def check_present(ova: Ova) -> Iterator[str]:
    machines = ova.system.findall(f"{VBOX}Machine")
    if len(machines) != 1:
        yield f"{len(machines)} of them"
    for machine in machines:
        if machine.get(f"{OVF}required") != "false":
            yield "other importers would refuse the descriptor: ovf:required is not false"
        if not len(machine) or machine[0].tag != f"{OVF}Info":
            yield "its first child is not ovf:Info"
        if not re.fullmatch(r"\{.*\}", machine.get("uuid", "")) or not is_uuid(machine.get("uuid", "")[1:-1]):
            yield f"uuid {machine.get('uuid')!r}"
        if not machine.get("name"):
            yield "name is missing"
        if machine.get("OSType") != "Debian_64":
            yield f"OSType {machine.get('OSType')!r}, which overrides the other places"


@_rule(
    "machine.version",
    f"the settings version is no newer than {SETTINGS_VERSION}",
    prevents="a settings file of a newer VirtualBox is refused",
)
def check_version(ova: Ova) -> Iterator[str]:
    version = ova.machine.get("version", "")
    match = re.fullmatch(r"(\d{1,4})\.(\d{1,4})(-\w+)?", version)
    if not match or (int(match[1]), int(match[2])) > _NEWEST:
        yield f"version {version!r}"


@_rule(
    "machine.disk",
    "each attached image is a Disk by its UUID, in lower case and without braces there, and each Disk is attached",
    prevents="<vbox:Machine> element in OVF contains a medium attachment for the disk image %s",
)
def check_disks(ova: Ova) -> Iterator[str]:
    defined = [disk.get(f"{VBOX}uuid", "") for disk in ova.disks]
    for uuid in defined:
        if not is_uuid(uuid) or uuid != uuid.lower() or not uuid.strip("0-"):
            yield f"vbox:uuid {uuid!r} of a Disk"
    attached = [image.get("uuid", "").strip("{}").lower() for image in ova.machine.findall(".//{*}Image")]
    if sorted(attached) != sorted(defined):
        yield f"attached are {attached}, defined are {defined}"


@_rule(
    "machine.storage",
    "one AHCI controller with a port for the disk, bypassing the host's cache",
    prevents="a disk on another controller, or writes the host acknowledged and lost",
)
def check_storage(ova: Ova) -> Iterator[str]:
    controllers = ova.machine.findall(".//{*}StorageController")
    if [controller.get("type") for controller in controllers] != ["AHCI"]:
        yield f"controllers {[controller.get('type') for controller in controllers]}"
    for controller in controllers:
        if controller.get("useHostIOCache") != "false":
            yield "useHostIOCache is not false"
        for device in controller.findall("{*}AttachedDevice"):
            if _number(device.get("port")) not in range(_number(controller.get("PortCount"))):
                yield f"port {device.get('port')!r} of {controller.get('PortCount')!r}"


@_rule(
    "machine.hardware",
    "CPU count and memory are those of the hardware items",
    prevents="the items win: other numbers than the descriptor's author meant",
)
def check_hardware(ova: Ova) -> Iterator[str]:
    cpu, memory = ova.hardware.find("{*}CPU"), ova.hardware.find("{*}Memory")
    for item in items_of(ova, CPU):
        if cpu is None or cpu.get("count") != item_value(item, "VirtualQuantity"):
            yield "CPU count differs from the item"
    for item in items_of(ova, MEMORY):
        if memory is None or _number(memory.get("RAMSize")) != memory_mb(item):
            yield "Memory RAMSize differs from the item"


@_rule(
    "machine.adapter",
    "one network adapter is enabled, in slot 0, an 82540EM behind NAT and nothing else",
    prevents="a machine without network, or one in the host's network",
)
def check_adapter(ova: Ova) -> Iterator[str]:
    adapters = [adapter for adapter in _adapters(ova) if adapter.get("enabled") == "true"]
    if [(adapter.get("slot"), adapter.get("type")) for adapter in adapters] != [("0", "82540EM")]:
        yield f"enabled are {[(adapter.get('slot'), adapter.get('type')) for adapter in adapters]}"
    for adapter in adapters:
        networks = [child.tag.rpartition("}")[2] for child in adapter if not child.tag.endswith("DisabledModes")]
        if networks != ["NAT"]:
            yield f"slot {adapter.get('slot')} is attached to {networks}"


@_rule("machine.mac", "no adapter has a MAC address", prevents="equal addresses in a classroom")
def check_mac(ova: Ova) -> Iterator[str]:
    for adapter in _adapters(ova):
        if adapter.get("MACAddress"):
            yield f"slot {adapter.get('slot')}: {adapter.get('MACAddress')}"


@_rule("machine.forward", "NAT has port forwards, each with a name", prevents="a guest the host's browser cannot reach")
def check_forwards(ova: Ova) -> Iterator[str]:
    if not _forwards(ova):
        yield "there is none"
    for forward in _forwards(ova):
        if not forward.get("name"):
            yield f"host port {forward.get('hostport')}: no name"


@_rule(
    "machine.forward-host",
    f"forwards listen on {_LOOPBACK} and nowhere else",
    prevents="a JupyterLab open to everybody in the classroom's network",
)
def check_forward_host(ova: Ova) -> Iterator[str]:
    for forward in _forwards(ova):
        if forward.get("hostip") != _LOOPBACK:
            yield f"{forward.get('name')}: hostip {forward.get('hostip')!r}"


@_rule("machine.forward-tcp", "forwards are TCP (proto 1)", prevents="a browser that cannot connect")
def check_forward_protocol(ova: Ova) -> Iterator[str]:
    for forward in _forwards(ova):
        if forward.get("proto") != "1":
            yield f"{forward.get('name')}: proto {forward.get('proto')!r}"


@_rule("machine.forward-port", "ports of forwards are numbers from 1 to 65535", prevents="a rule VirtualBox refuses")
def check_forward_ports(ova: Ova) -> Iterator[str]:
    for forward in _forwards(ova):
        for side in ("hostport", "guestport"):
            if not 1 <= _number(forward.get(side)) <= 65535:
                yield f"{forward.get('name')}: {side} {forward.get(side)!r}"


@_rule(
    "machine.forward-unique",
    "no two forwards share a name or a host port",
    prevents="A NAT rule of this name already exists",
)
def check_forward_unique(ova: Ova) -> Iterator[str]:
    for key in ("name", "hostport"):
        for value, times in Counter(forward.get(key) for forward in _forwards(ova)).items():
            if value and times > 1:
                yield f"{key} {value} is used {times} times"


@_rule("machine.sound", "there is no sound: no item, adapter disabled", prevents="a microphone request at each start")
def check_sound(ova: Ova) -> Iterator[str]:
    if items_of(ova, SOUND):
        yield f"an item of type {SOUND}"
    adapter = ova.hardware.find("{*}AudioAdapter")
    if adapter is None or adapter.get("enabled") != "false":
        yield "AudioAdapter is not disabled"


@_rule(
    "machine.host-ties",
    "nothing leads to the exporting host: no shared folder, serial port, NVRAM path or extra data",
    prevents="a warning that VirtualBox removed them from the imported machine",
)
def check_host_ties(ova: Ova) -> Iterator[str]:
    for tag in ("SharedFolder", "ExtraDataItem", "NVRAM"):
        if ova.machine.find(f".//{{*}}{tag}") is not None:
            yield f"{tag}"
    for port in ova.machine.findall(".//{*}UART/{*}Port"):
        if port.get("enabled") == "true":
            yield f"serial port in slot {port.get('slot')}"


def _adapters(ova: Ova) -> list[Element]:
    return ova.hardware.findall("{*}Network/{*}Adapter")


def _forwards(ova: Ova) -> list[Element]:
    return ova.hardware.findall("{*}Network/{*}Adapter/{*}NAT/{*}Forwarding")


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else -1
