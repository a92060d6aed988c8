"""The hardware that hypervisors give a machine, by QEMU's names."""

from __future__ import annotations

from dataclasses import dataclass

from practicum.architecture import AMD64, Architecture
from smoke_tests.processor import PROCESSORS

DISKS = {
    "ahci": ("ahci,id=sata", "ide-hd,drive=disk,bus=sata.0"),
    "ide": ("ide-hd,drive=disk,bus=ide.0",),  # a part of the board pc; on q35 this bus is of AHCI
    "lsi-sas": ("mptsas1068,id=scsi", "scsi-hd,drive=disk,bus=scsi.0"),
    "nvme": ("nvme,drive=disk,serial=practicum",),
    "pvscsi": ("pvscsi,id=scsi", "scsi-hd,drive=disk,bus=scsi.0"),
    "virtio-blk": ("virtio-blk-pci,drive=disk",),
    "virtio-scsi": ("virtio-scsi-pci,id=scsi", "scsi-hd,drive=disk,bus=scsi.0"),
}
"""The devices between the board and the drive called "disk"."""

CARDS = {"e1000": "e1000,netdev=nat", "virtio-net": "virtio-net-pci,netdev=nat", "vmxnet3": "vmxnet3,netdev=nat"}
"""The device of each network card, on the network called "nat"."""

SCREENS = {"std": ("-vga", "std"), "ramfb": ("-device", "ramfb")}
"""QEMU's arguments for each screen."""

USB = ("qemu-xhci", "usb-kbd", "usb-tablet")
"""The devices of a keyboard and a pointer, where the board has none of its own."""

CONTROLLERS = {"AHCI": "ahci", "VirtioSCSI": "virtio-scsi"}
GRAPHICS = {"VMSVGA": "std", "QemuRamFB": "ramfb"}
"""What is nearest to VirtualBox's, by VirtualBox's names: keys of DISKS and of SCREENS."""


@dataclass(frozen=True)
class Hardware:
    """A disk controller, a network card and a screen on a board; "pc" has no PCI Express, "q35" has."""

    disk: str
    card: str
    board: str = "pc"
    screen: str = "std"
    usb: bool = False

    @property
    def devices(self) -> list[str]:
        """Return QEMU's arguments that add them."""
        added = (*DISKS[self.disk], CARDS[self.card], *(USB if self.usb else ()))
        return [*SCREENS[self.screen], *(word for device in added for word in ("-device", device))]


def find_hardware(architecture: Architecture) -> Hardware:
    """Return what the .ova asks of VirtualBox."""
    asked = architecture.hardware
    board = PROCESSORS[architecture].board
    return Hardware(CONTROLLERS[asked.controller], "e1000", board, GRAPHICS[asked.graphics], asked.usb)


VIRTUALBOX = find_hardware(AMD64)
"""What the .ova asks of VirtualBox on computers with a processor of Intel or AMD."""
