"""What QEMU must be told of a kind of processor, besides what the .ova tells VirtualBox."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from practicum.architecture import AMD64, ARM64, Architecture


@dataclass(frozen=True)
class Probe:
    """A program without an operating system, by which a guest is seen to run.

    image: the program. options: QEMU's, with "{image}" where the name of its file goes. answer: the exit code with
    which QEMU ends once the program has run; no failure of QEMU has the same.
    """

    image: bytes
    options: tuple[str, ...]
    answer: int


@dataclass(frozen=True)
class Processor:
    """A kind of processor, by QEMU's names.

    board: the machine that has it. model: which one is emulated. firmware: folder of UEFI's files. pairs: names of
    UEFI's code and variables in it, which must be of one pair, the best first. package: Debian's package of them.
    """

    board: str
    model: str
    firmware: Path
    pairs: tuple[tuple[str, str], ...]
    package: str
    probe: Probe

    def find_firmware(self) -> tuple[Path, Path] | None:
        """Return UEFI's code and variables, or None where their package is not installed."""
        pairs = ((self.firmware / code, self.firmware / variables) for code, variables in self.pairs)
        return next((pair for pair in pairs if pair[0].exists() and pair[1].exists()), None)


# mov al, 0x10; out 0xf4, al; hlt; jmp to the hlt. The BIOS runs a sector that ends with 55 aa.
BOOT_SECTOR = bytes((0xB0, 0x10, 0xE6, 0xF4, 0xF4, 0xEB, 0xFD)).ljust(510, b"\0") + b"\x55\xaa"

# mov w0, #0x84000008; hvc #0; b to itself. The call of that number is SYSTEM_OFF (Arm DEN0022, "PSCI", 5.1.9).
SWITCH_OFF = b"".join(word.to_bytes(4, "little") for word in (0x52800100, 0x72B08000, 0xD4000002, 0x14000000))

PROCESSORS: dict[Architecture, Processor] = {
    AMD64: Processor(
        board="pc",
        model="max",
        firmware=Path("/usr/share/OVMF"),
        # The 4 MiB pair is the only one of newer Debian releases.
        pairs=(("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"), ("OVMF_CODE.fd", "OVMF_VARS.fd")),
        package="ovmf",
        probe=Probe(
            BOOT_SECTOR,
            ("-drive", "if=ide,format=raw,readonly=off,file={image}", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"),
            answer=0x10 << 1 | 1,  # of the device isa-debug-exit, to whose port the program writes 0x10
        ),
    ),
    ARM64: Processor(
        board="virt",
        # Of those without SVE, as Apple's. QEMU 7.2's own choice has it, with which torch 2.10 computes eigenvectors
        # that are wrong by a tenth; on cortex-a72 torch 2.10 ends by an illegal instruction.
        model="neoverse-n1",
        firmware=Path("/usr/share/AAVMF"),
        pairs=(("AAVMF_CODE.fd", "AAVMF_VARS.fd"),),
        package="qemu-efi-aarch64",
        probe=Probe(SWITCH_OFF, ("-kernel", "{image}"), answer=0),
    ),
}
