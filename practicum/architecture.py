"""The kinds of processor that products are for, and all in which the products of one differ from those of another.

Stages, locks, names and rules take what they need from one of these values. No other module asks for which architecture
it works, so a further one would be a further value here.
"""

import platform
from dataclasses import dataclass


@dataclass(frozen=True)
class Boot:
    """How a computer starts from the disk.

    bios: GRUB's name of its loader for a BIOS, "" where computers have UEFI alone. uefi: GRUB's name of that for UEFI.
    removable: the file in EFI/BOOT/ that UEFI starts from a disk it has never seen (UEFI 2.10, 3.5.1.1). root: type of
    the root partition (Discoverable Partitions Specification). serial: the kernel's serial console. arguments: of the
    kernel, besides those of all architectures. keyboard: the kernel's modules of keyboards. package: Debian's package
    of GRUB's files where the build fetches it, "" where it is installed on the machine that builds.
    """

    bios: str
    uefi: str
    removable: str
    root: str
    serial: str
    arguments: str
    keyboard: tuple[str, ...]
    package: str


@dataclass(frozen=True)
class Hardware:
    """The virtual machine, in the words of VirtualBox's settings.

    settings: the version of their format, the oldest that knows all of the rest. platform: "" where that version is too
    old to name one; then also chipset "". usb: whether keyboard and tablet are on USB, for want of PS/2.
    shared_folders: whether Debian's kernel has VirtualBox's driver for them.
    """

    os_type: str
    settings: str
    platform: str
    chipset: str
    firmware: str
    controller: str
    controller_name: str
    graphics: str
    usb: bool
    shared_folders: bool


@dataclass(frozen=True)
class Architecture:
    """A kind of processor.

    name: Debian's and docker's. machine: the kernel's, Python's and QEMU's. variant: docker's, "" for none. suffix: of
    the names of stages, locks, images and files. kernel: Debian's package. computers: those that have it, as a student
    calls them. choice: the same, as short as a button. virtualbox: the oldest that starts the appliance. gpu: what the
    CUDA image says of its proof on a GPU, "" where it was proved.
    """

    name: str
    machine: str
    variant: str
    suffix: str
    kernel: str
    computers: str
    choice: str
    virtualbox: str
    gpu: str
    boot: Boot
    hardware: Hardware

    @property
    def platform(self) -> str:
        """Docker's name: "linux/amd64"."""
        return f"linux/{self.name}"

    @property
    def emulator(self) -> str:
        """The name under which Debian's qemu-user-static registers itself with the kernel's binfmt_misc."""
        return f"qemu-{self.machine}"

    @property
    def is_native(self) -> bool:
        """Whether this machine runs its programs without an emulator."""
        return platform.machine() == self.machine


AMD64 = Architecture(
    name="amd64",
    machine="x86_64",
    variant="",
    suffix="",
    kernel="linux-image-amd64",
    computers="computers with a processor of Intel or AMD",
    choice="Windows, Linux, Mac with Intel processor",
    virtualbox="VirtualBox 7",
    gpu="",
    boot=Boot(
        bios="i386-pc",
        uefi="x86_64-efi",
        removable="BOOTX64.EFI",
        root="4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
        serial="ttyS0,115200",
        # The kernel's check of the timer lasts a few ticks, in which a busy host may give the machine nothing: the
        # kernel would take the timer for broken and panic.
        arguments="no_timer_check",
        keyboard=("atkbd", "i8042"),
        package="",
    ),
    hardware=Hardware(
        os_type="Debian_64",
        settings="1.16",
        platform="",
        chipset="",
        firmware="BIOS",
        controller="AHCI",
        controller_name="SATA",
        graphics="VMSVGA",
        usb=False,
        shared_folders=True,
    ),
)

ARM64 = Architecture(
    name="arm64",
    machine="aarch64",
    variant="v8",
    suffix="-arm64",
    kernel="linux-image-arm64",
    computers="Macs with Apple Silicon and Windows computers with an ARM processor (VirtualBox 7.1 or newer)",
    choice="Mac with Apple Silicon, Windows on ARM",
    virtualbox="VirtualBox 7.1",
    gpu="not run on a GPU yet",
    boot=Boot(
        bios="",
        uefi="arm64-efi",
        removable="BOOTAA64.EFI",
        root="B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
        serial="ttyAMA0",
        arguments="",
        keyboard=("xhci_pci", "usbhid", "hid_generic"),
        package="grub-efi-arm64-bin",
    ),
    hardware=Hardware(
        os_type="Debian_arm64",
        settings="1.20",
        platform="ARM",
        chipset="ARMv8Virtual",
        firmware="EFI",
        # Firmware for ARM does not start from AHCI.
        controller="VirtioSCSI",
        controller_name="VirtioSCSI",
        # VirtualBox has VMSVGA on ARM too, where users report that the window redraws very slowly.
        graphics="QemuRamFB",
        usb=True,
        shared_folders=False,
    ),
)

KERNEL = "linux-image"
"""Stands in a description for the kernel of whichever architecture is built."""

ARCHITECTURES = (AMD64, ARM64)
NAMES = tuple(architecture.name for architecture in ARCHITECTURES)


def find_architecture(name: str) -> Architecture:
    """Return the architecture that Debian calls `name`; raises KeyError for an unknown one."""
    return {architecture.name: architecture for architecture in ARCHITECTURES}[name]


def find_native() -> Architecture | None:
    """Return the architecture of this machine, None where it is none of ARCHITECTURES."""
    return next((architecture for architecture in ARCHITECTURES if architecture.is_native), None)
