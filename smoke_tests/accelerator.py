"""How QEMU runs a machine: on the processor itself (KVM) where a guest is seen to run, else by emulation.

A /dev/kvm that opens does not prove that a guest runs with it: on a cloud's machine within a machine QEMU may
end at once, or the guest may stand still. So a program of a few bytes is run first, as the tests run the appliance.
"""

import functools
import os
import subprocess
import tempfile
from pathlib import Path

from practicum.architecture import Architecture
from smoke_tests.emulator import find_qemu
from smoke_tests.processor import PROCESSORS

KVM = ("-accel", "kvm", "-cpu", "host")

DEVICE = Path("/dev/kvm")
FORCED = "PRACTICUM_ACCELERATOR"
"""Environment variable: "tcg" emulates, whatever the machine can do."""

DEADLINE = 20
"""Seconds, a net: a guest that runs answers within one."""


@functools.cache
def find_accelerator(architecture: Architecture) -> tuple[str, ...]:
    """Return QEMU's options: those of KVM if this machine has such a processor and a guest runs, else of emulation."""
    may_help = architecture.is_native and os.environ.get(FORCED) != "tcg" and os.access(DEVICE, os.R_OK | os.W_OK)
    return KVM if may_help and runs_a_guest(architecture, KVM) else emulate(architecture)


def emulate(architecture: Architecture) -> tuple[str, ...]:
    """Return QEMU's options that emulate the processor."""
    return ("-accel", "tcg,thread=multi", "-cpu", PROCESSORS[architecture].model)


def runs_a_guest(architecture: Architecture, options: tuple[str, ...]) -> bool:
    """Whether a guest that is run with `options` gets as far as to end QEMU by itself."""
    with tempfile.NamedTemporaryFile(suffix=".boot") as image:
        image.write(PROCESSORS[architecture].probe.image)
        image.flush()
        argv = probe_argv(architecture, Path(image.name), options)
        try:
            done = subprocess.run(argv, capture_output=True, timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == PROCESSORS[architecture].probe.answer


def probe_argv(architecture: Architecture, image: Path, options: tuple[str, ...]) -> list[str]:
    processor = PROCESSORS[architecture]
    return [
        *(*find_qemu(architecture), "-nodefaults", "-no-user-config", "-display", "none", "-m", "64"),
        *("-machine", processor.board, *options),
        *(option.format(image=image) for option in processor.probe.options),
    ]
