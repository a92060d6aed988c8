"""How QEMU runs a machine: on the processor itself (KVM) where a guest is seen to run, else by emulation.

A /dev/kvm that opens does not prove that a guest runs with it: on a cloud's machine within a machine QEMU may
end at once, or the guest may stand still. So a boot sector of a few bytes is run first, as the tests run the appliance.
"""

import functools
import os
import subprocess
import tempfile
from pathlib import Path

EMULATION = ("-accel", "tcg,thread=multi", "-cpu", "max")
KVM = ("-accel", "kvm", "-cpu", "host")

DEVICE = Path("/dev/kvm")
FORCED = "PRACTICUM_ACCELERATOR"
"""Environment variable: "tcg" emulates, whatever the machine can do."""

ANSWER = 0x10
# mov al, ANSWER; out 0xf4, al; hlt; jmp to the hlt. The BIOS runs a sector that ends with 55 aa.
BOOT_SECTOR = bytes((0xB0, ANSWER, 0xE6, 0xF4, 0xF4, 0xEB, 0xFD)).ljust(510, b"\0") + b"\x55\xaa"
EXIT_CODE = ANSWER << 1 | 1
"""QEMU's device isa-debug-exit ends with this code when the guest writes ANSWER to its port."""

DEADLINE = 20
"""Seconds, a net: a guest that runs answers within one."""


@functools.cache
def find_accelerator() -> tuple[str, ...]:
    """Return QEMU's options: those of KVM if a guest runs with it, else those of the emulation."""
    if os.environ.get(FORCED) == "tcg" or not os.access(DEVICE, os.R_OK | os.W_OK):
        return EMULATION
    return KVM if runs_a_guest(KVM) else EMULATION


def runs_a_guest(options: tuple[str, ...]) -> bool:
    """Whether a guest that is run with `options` gets as far as to write to a port."""
    with tempfile.NamedTemporaryFile(suffix=".boot") as disk:
        disk.write(BOOT_SECTOR)
        disk.flush()
        try:
            done = subprocess.run(probe_argv(Path(disk.name), options), capture_output=True, timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == EXIT_CODE


def probe_argv(disk: Path, options: tuple[str, ...]) -> list[str]:
    return [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-m", "64", *options),
        *("-drive", f"if=ide,format=raw,readonly=off,file={disk}", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"),
    ]
