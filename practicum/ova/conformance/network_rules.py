"""Rules about the network of `vbox:Machine`: its adapters, and the ports that NAT forwards."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from xml.etree.ElementTree import Element

from practicum.ova.conformance.rules import IMPORT, PROMISE, Rule, rule
from practicum.ova.conformance.subject import Ova

RULES: list[Rule] = []
_rule = partial(rule, RULES)
_LOOPBACK = "127.0.0.1"
_MAX_DIGITS = 9  # of a number that is looked at


@_rule(
    "machine.adapter",
    PROMISE,
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


@_rule("machine.mac", PROMISE, "no adapter has a MAC address", prevents="machines share an address")
def check_mac(ova: Ova) -> Iterator[str]:
    for adapter in _adapters(ova):
        if adapter.get("MACAddress"):
            yield f"slot {adapter.get('slot')}: {adapter.get('MACAddress')}"


@_rule(
    "machine.forward",
    PROMISE,
    "NAT has port forwards, each with a name and ports",
    prevents="the browser cannot reach the machine",
)
def check_forwards(ova: Ova) -> Iterator[str]:
    if not _forwards(ova):
        yield "there is none"
    for forward in _forwards(ova):
        if not forward.get("name"):
            yield f"host port {forward.get('hostport')}: no name"
        for side in ("hostport", "guestport"):
            if not (forward.get(side) or "").strip("0"):
                yield f"{forward.get('name')}: {side} {forward.get(side)!r}"


@_rule(
    "machine.forward-host",
    PROMISE,
    f"forwards listen on {_LOOPBACK} only",
    prevents="others can reach JupyterLab",
)
def check_forward_host(ova: Ova) -> Iterator[str]:
    for forward in _forwards(ova):
        if forward.get("hostip") != _LOOPBACK:
            yield f"{forward.get('name')}: hostip {forward.get('hostip')!r}"


@_rule(
    "machine.localhost",
    PROMISE,
    "the student's 127.0.0.1 is out of reach",
    prevents="a program in the machine reaches the services of the student's computer",
)
def check_localhost(ova: Ova) -> Iterator[str]:
    nat = ova.hardware.find("{*}Network/{*}Adapter/{*}NAT")
    if nat is not None and nat.get("localhost-reachable") != "false":
        yield 'NAT lacks localhost-reachable="false"'


@_rule("machine.forward-tcp", PROMISE, "forwards are TCP (proto 1)", prevents="the browser cannot connect")
def check_forward_protocol(ova: Ova) -> Iterator[str]:
    for forward in _forwards(ova):
        if forward.get("proto") != "1":
            yield f"{forward.get('name')}: proto {forward.get('proto')!r}"


@_rule("machine.forward-port", IMPORT, "ports are at most 65535", prevents="VirtualBox takes another port")
def check_forward_ports(ova: Ova) -> Iterator[str]:
    for forward in _forwards(ova):
        for side in ("hostport", "guestport"):
            port = forward.get(side) or "0"
            if not port.isdecimal() or len(port) > _MAX_DIGITS or int(port) > 65535:
                yield f"{forward.get('name')}: {side} {port!r}"


@_rule("machine.forward-name", IMPORT, "forwards share no name", prevents="VirtualBox loses the second of them")
def check_forward_names(ova: Ova) -> Iterator[str]:
    yield from _find_twice(ova, "name")


@_rule("machine.forward-unique", PROMISE, "forwards share no host port", prevents="one of them does not work")
def check_forward_unique(ova: Ova) -> Iterator[str]:
    yield from _find_twice(ova, "hostport")


def _find_twice(ova: Ova, key: str) -> Iterator[str]:
    for value, times in Counter(forward.get(key) for forward in _forwards(ova)).items():
        if value and times > 1:
            yield f"{key} {value} is used {times} times"


def _adapters(ova: Ova) -> list[Element]:
    return [adapter for machine in ova.machines for adapter in machine.findall("{*}Hardware/{*}Network/{*}Adapter")]


def _forwards(ova: Ova) -> list[Element]:
    return [forward for adapter in _adapters(ova) for forward in adapter.findall("{*}NAT/{*}Forwarding")]
