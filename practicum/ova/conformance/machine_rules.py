"""Rules about `vbox:Machine`, VirtualBox's own element."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from xml.etree.ElementTree import Element

from practicum.architecture import ARCHITECTURES
from practicum.ova.conformance.hardware_rules import CONTROLLERS, CPU, MEMORY, SOUND, item_value, items_of, memory_mb
from practicum.ova.conformance.ovf_rules import OS_TYPES
from practicum.ova.conformance.rules import Rule, rule
from practicum.ova.conformance.subject import OVF, VBOX, Ova
from practicum.ova.vmdk_reader import is_uuid

RULES: list[Rule] = []
_rule = partial(rule, RULES)
_VERSIONS = ", ".join(
    f"{'' if architecture.hardware.platform else 'at most '}{architecture.hardware.settings} for "
    f"{architecture.hardware.os_type}"
    for architecture in ARCHITECTURES
)
_LOOPBACK = "127.0.0.1"


@_rule(
    "machine.present",
    f"one optional vbox:Machine has Info first, uuid, name, {OS_TYPES}",
    prevents="port forwards and firmware are lost",
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
        if machine.get("OSType") != ova.wanted.os_type:
            yield f"OSType {machine.get('OSType')!r}, which overrides the other places"


@_rule(
    "machine.version",
    f"the settings version is {_VERSIONS}",
    prevents="an older VirtualBox refuses the settings; older settings for ARM are imported as x86 without a word",
)
def check_version(ova: Ova) -> Iterator[str]:
    version = ova.machine.get("version", "")
    match = re.fullmatch(r"(\d{1,4}\.\d{1,4})(-\w+)?", version)
    known, newest = _parse_version(match[1]) if match else (), _parse_version(ova.wanted.settings)
    if not match or known > newest or (ova.wanted.platform and known < newest):
        yield f"version {version!r}"


@_rule(
    "machine.disk",
    "vbox:Machine attaches each Disk by its plain, lower-case UUID",
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
        for device in controller.findall("{*}AttachedDevice"):
            if _number(device.get("port")) not in range(_number(controller.get("PortCount"))):
                yield f"port {device.get('port')!r} of {controller.get('PortCount')!r}"


@_rule(
    "machine.hardware",
    "CPUs and memory equal the hardware items",
    prevents="VirtualBox takes the items' numbers",
)
def check_hardware(ova: Ova) -> Iterator[str]:
    cpu = ova.machine.find("{*}Platform/{*}CPU") if ova.wanted.platform else ova.hardware.find("{*}CPU")
    memory = ova.hardware.find("{*}Memory")
    for item in items_of(ova, CPU):
        if cpu is None or cpu.get("count") != item_value(item, "VirtualQuantity"):
            yield "CPU count differs from the item"
    for item in items_of(ova, MEMORY):
        if memory is None or _number(memory.get("RAMSize")) != memory_mb(item):
            yield "Memory RAMSize differs from the item"


@_rule(
    "machine.adapter",
    "slot 0 alone is enabled, an 82540EM behind NAT",
    prevents="the machine has no network, or the host's",
)
def check_adapter(ova: Ova) -> Iterator[str]:
    adapters = [adapter for adapter in _adapters(ova) if adapter.get("enabled") == "true"]
    if [(adapter.get("slot"), adapter.get("type")) for adapter in adapters] != [("0", "82540EM")]:
        yield f"enabled are {[(adapter.get('slot'), adapter.get('type')) for adapter in adapters]}"
    for adapter in adapters:
        networks = [child.tag.rpartition("}")[2] for child in adapter if not child.tag.endswith("DisabledModes")]
        if networks != ["NAT"]:
            yield f"slot {adapter.get('slot')} is attached to {networks}"


@_rule("machine.mac", "no adapter has a MAC address", prevents="machines share an address")
def check_mac(ova: Ova) -> Iterator[str]:
    for adapter in _adapters(ova):
        if adapter.get("MACAddress"):
            yield f"slot {adapter.get('slot')}: {adapter.get('MACAddress')}"


@_rule("machine.forward", "NAT has named port forwards", prevents="the browser cannot reach the machine")
def check_forwards(ova: Ova) -> Iterator[str]:
    if not _forwards(ova):
        yield "there is none"
    for forward in _forwards(ova):
        if not forward.get("name"):
            yield f"host port {forward.get('hostport')}: no name"


@_rule(
    "machine.forward-host",
    f"forwards listen on {_LOOPBACK} only",
    prevents="others can reach JupyterLab",
)
def check_forward_host(ova: Ova) -> Iterator[str]:
    for forward in _forwards(ova):
        if forward.get("hostip") != _LOOPBACK:
            yield f"{forward.get('name')}: hostip {forward.get('hostip')!r}"


@_rule(
    "machine.localhost",
    "the student's 127.0.0.1 is out of reach",
    prevents="a program in the machine reaches the services of the student's computer",
)
def check_localhost(ova: Ova) -> Iterator[str]:
    nat = ova.hardware.find("{*}Network/{*}Adapter/{*}NAT")
    if nat is not None and nat.get("localhost-reachable") != "false":
        yield 'NAT lacks localhost-reachable="false"'


@_rule("machine.forward-tcp", "forwards are TCP (proto 1)", prevents="the browser cannot connect")
def check_forward_protocol(ova: Ova) -> Iterator[str]:
    for forward in _forwards(ova):
        if forward.get("proto") != "1":
            yield f"{forward.get('name')}: proto {forward.get('proto')!r}"


@_rule("machine.forward-port", "ports are numbers from 1 to 65535", prevents="VirtualBox refuses the forward")
def check_forward_ports(ova: Ova) -> Iterator[str]:
    for forward in _forwards(ova):
        for side in ("hostport", "guestport"):
            if not 1 <= _number(forward.get(side)) <= 65535:
                yield f"{forward.get('name')}: {side} {forward.get(side)!r}"


@_rule(
    "machine.forward-unique",
    "forwards share no name or host port",
    prevents="A NAT rule of this name already exists",
)
def check_forward_unique(ova: Ova) -> Iterator[str]:
    for key in ("name", "hostport"):
        for value, times in Counter(forward.get(key) for forward in _forwards(ova)).items():
            if value and times > 1:
                yield f"{key} {value} is used {times} times"


@_rule(
    "machine.sound",
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


def _adapters(ova: Ova) -> list[Element]:
    return ova.hardware.findall("{*}Network/{*}Adapter")


def _forwards(ova: Ova) -> list[Element]:
    return ova.hardware.findall("{*}Network/{*}Adapter/{*}NAT/{*}Forwarding")


def _parse_version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else -1
