"""The hardware that hypervisors give a machine, by QEMU's names."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Hardware:
    """A disk controller and a network card on a board; "pc" has no PCI Express, "q35" has."""

    disk: str
    card: str
    board: str = "pc"

    @property
    def devices(self) -> list[str]:
        """Return QEMU's arguments that add both."""
        return [word for device in (*DISKS[self.disk], CARDS[self.card]) for word in ("-device", device)]


VIRTUALBOX = Hardware("ahci", "e1000")
"""What the .ova asks of VirtualBox."""
