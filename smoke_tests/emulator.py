"""Which QEMU runs the machines of the tests: the one that scripts/make-qemu.sh fetched, where there is one."""

from __future__ import annotations

import subprocess
from pathlib import Path

from practicum.architecture import Architecture

FETCHED = Path(__file__).parents[1] / "build/qemu/usr"
"""What scripts/make-qemu.sh fetched: of Debian's packages, which expect to be installed in /usr."""

DATA = ("share/qemu", "share/seabios", "lib/ipxe/qemu")
"""Folders of QEMU's firmware, below FETCHED."""


def find_qemu(architecture: Architecture) -> list[str]:
    """Return the words that start QEMU for this kind of processor; QEMU's own options come after them."""
    name = f"qemu-system-{architecture.machine}"
    program = FETCHED / "bin" / name
    if not program.exists():
        return [name]
    return [str(program), *(word for folder in DATA for word in ("-L", str(FETCHED / folder)))]


def read_version(architecture: Architecture) -> str:
    """Return what QEMU says of its version: a machine that one QEMU saved is of no use to another."""
    argv = [find_qemu(architecture)[0], "--version"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()[0]
