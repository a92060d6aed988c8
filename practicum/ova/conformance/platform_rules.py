"""Rules about what the virtual machines of two architectures have in different forms."""

from collections.abc import Callable, Iterator
from functools import partial

from practicum.architecture import ARCHITECTURES, Hardware
from practicum.ova.conformance.rules import PROMISE, Rule, rule
from practicum.ova.conformance.subject import Ova

RULES: list[Rule] = []
_rule = partial(rule, RULES)


def _list(value: Callable[[Hardware], str]) -> str:
    """Return `value` of each architecture, for the meaning of a rule."""
    return ", ".join(
        f"{value(architecture.hardware)} for {architecture.hardware.os_type}" for architecture in ARCHITECTURES
    )


@_rule(
    "machine.platform",
    PROMISE,
    f"the platform is {_list(lambda kind: ' with '.join(filter(None, (kind.platform, kind.chipset))) or 'not named')}",
    prevents="Required Machine/@Platform element is missing, or the machine is imported for another processor",
)
def check_platform(ova: Ova) -> Iterator[str]:
    platform = ova.machine.find("{*}Platform")
    named = platform.get("architecture", "") if platform is not None else ""
    chipset = ova.machine.find("{*}Platform/{*}Chipset")
    if named != ova.wanted.platform:
        yield f"Platform architecture {named!r}"
    elif ova.wanted.chipset and (chipset is None or chipset.get("type") != ova.wanted.chipset):
        yield f"Chipset type {chipset.get('type') if chipset is not None else None!r}"


@_rule(
    "machine.firmware",
    PROMISE,
    f"the firmware is {_list(lambda kind: kind.firmware)}",
    prevents="the import succeeds, and the machine does not start",
)
def check_firmware(ova: Ova) -> Iterator[str]:
    firmware = ova.hardware.find("{*}Firmware")
    # VirtualBox takes a BIOS where nothing is said.
    if (named := firmware.get("type", "BIOS") if firmware is not None else "BIOS") != ova.wanted.firmware:
        yield f"Firmware {named!r}"


@_rule(
    "machine.display",
    PROMISE,
    f"the graphics controller is {_list(lambda kind: kind.graphics)}",
    prevents="the window redraws very slowly",
)
def check_display(ova: Ova) -> Iterator[str]:
    display = ova.hardware.find("{*}Display")
    if (named := display.get("controller") if display is not None else None) != ova.wanted.graphics:
        yield f"Display controller {named!r}"


@_rule(
    "machine.input",
    PROMISE,
    f"keyboard and tablet are {_list(lambda kind: 'on USB' if kind.usb else 'of any kind')}",
    prevents="nobody can type in the machine's window",
)
def check_input(ova: Ova) -> Iterator[str]:
    if not ova.wanted.usb:
        return
    devices = ova.hardware.find("{*}HID")
    for kind, device in (("Keyboard", "USBKeyboard"), ("Pointing", "USBTablet")):
        if devices is None or devices.get(kind) != device:
            yield f"{kind} is no {device}"
    if "XHCI" not in [
        controller.get("type") for controller in ova.hardware.findall("{*}USB/{*}Controllers/{*}Controller")
    ]:
        yield "there is no XHCI controller"
