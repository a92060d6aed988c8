#!/usr/bin/env python3
"""Boots the appliance on the hardware of other hypervisors; prints a line for each machine, for docs/hypervisors.md.

    .venv/bin/python scripts/hardware.py [SEMESTER] [--only nvme,vhdx]

Needs a finished build (make ova). QEMU emulates the processor, so each machine takes minutes.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for smoke_tests, which is no installed package

from bench_base import LOGS, ROOT, wait_for_server

from practicum import cli
from practicum.architecture import AMD64
from practicum.engine import run
from practicum.engine.errors import PracticumError
from practicum.semester import find, products
from smoke_tests.hardware import VIRTUALBOX, Hardware
from smoke_tests.processor import PROCESSORS
from smoke_tests.qemu import ISSUE_LINE, Machine, extract_disk

PICTURES = ROOT / "build/screenshots"

BOOT_LIMIT = 1200.0
"""Seconds; firmware that finds no disk may compute for ever, so no progress tells that a boot is lost."""

NETWORK_LIMIT = 120.0
"""Seconds from a ready JupyterLab until it must answer through the network card."""


@dataclass(frozen=True)
class Trial:
    """A machine to boot. `disk_format` is what qemu-img calls the format of the disk that it reads."""

    hardware: Hardware
    uefi: bool = False
    disk_format: str = "raw"

    @property
    def name(self) -> str:
        firmware = "uefi" if self.uefi else "bios"
        return "-".join((firmware, self.hardware.board, self.hardware.disk, self.hardware.card, self.disk_format))


TRIALS = (
    Trial(VIRTUALBOX),
    Trial(Hardware("ide", "e1000")),
    Trial(Hardware("lsi-sas", "vmxnet3")),
    Trial(Hardware("nvme", "vmxnet3")),
    Trial(Hardware("pvscsi", "vmxnet3")),
    Trial(Hardware("virtio-scsi", "virtio-net")),
    Trial(Hardware("virtio-blk", "virtio-net"), disk_format="qcow2"),
    Trial(Hardware("ide", "e1000"), disk_format="vhdx"),
    Trial(Hardware("ahci", "e1000", "q35"), uefi=True),
    Trial(Hardware("lsi-sas", "vmxnet3", "q35"), uefi=True),
    Trial(Hardware("nvme", "vmxnet3", "q35"), uefi=True),
    Trial(Hardware("pvscsi", "vmxnet3", "q35"), uefi=True),
    Trial(Hardware("virtio-scsi", "virtio-net", "q35"), uefi=True),
    Trial(Hardware("virtio-blk", "virtio-net", "q35"), uefi=True, disk_format="qcow2"),
    Trial(Hardware("ahci", "e1000", "q35"), uefi=True, disk_format="vhdx"),
)
"""Each disk controller under both firmwares, each card, each format; not every combination."""


@dataclass(frozen=True)
class Outcome:
    """Seconds and CPU seconds of QEMU until JupyterLab answered; or what hindered it, "" when nothing did."""

    seconds: float
    cpu_seconds: float
    trouble: str = ""

    def __str__(self) -> str:
        if self.trouble:
            return f"NOT READY after {self.seconds:.0f} s ({self.cpu_seconds:.0f} CPU s): {self.trouble}"
        return f"ready after {self.seconds:.0f} s ({self.cpu_seconds:.0f} CPU s)"


def choose(words: str) -> list[Trial]:
    """Return the trials whose name has one of the words, which commas separate; all for "". Raise PracticumError."""
    wanted = words.split(",")
    chosen = [trial for trial in TRIALS if any(word in trial.name for word in wanted)]
    if not chosen:
        raise PracticumError(f"--only {words}", "no such machine", f"there are {', '.join(t.name for t in TRIALS)}")
    return chosen


def convert_argv(raw: Path, disk_format: str, out: Path) -> list[str]:
    return ["qemu-img", "convert", "-O", disk_format, os.fspath(raw), os.fspath(out)]


def make_disks(ova: Path, formats: Sequence[str], work: Path) -> dict[str, Path]:
    """Return the disk of the .ova in each of the formats; the machines only read them."""
    raw = extract_disk(ova, work / "disk.raw")
    disks = {"raw": raw}
    for name in sorted({*formats} - disks.keys()):
        disks[name] = work / f"disk.{name}"
        subprocess.run(convert_argv(raw, name, disks[name]), check=True)
    return disks


def boot(machine: Machine) -> Outcome:
    """Boot until JupyterLab answers through the network card; leave a picture of the screen when it does not."""
    trouble, cpu_seconds = "", 0.0
    with machine:
        try:
            machine.wait_ready(BOOT_LIMIT)
            wait_for_server(machine.url, NETWORK_LIMIT, machine.log)
        except (pytest.fail.Exception, PracticumError) as error:
            trouble = explain(str(error), machine.console, machine.log.with_suffix(".qemu").read_text())
            with suppress(OSError, RuntimeError):  # QEMU has ended
                trouble += f"; its screen: {machine.screendump(PICTURES / f'hardware-{machine.name}.png')}"
        seconds = time.monotonic() - machine.started
        with suppress(FileNotFoundError):  # QEMU has ended
            cpu_seconds = machine.cpu_seconds
    return Outcome(seconds, cpu_seconds, trouble)


def explain(error: str, console: str, qemu: str) -> str:
    """Return on one line what went wrong and what was said last: the console's status or last line, else QEMU's."""
    status = dict(ISSUE_LINE.findall(console)).get("Status")
    lines = [line.strip() for line in (console if console.strip() else qemu).splitlines() if line.strip()]
    last = status or (lines[-1] if lines else "nothing")
    return f"{error.partition('. Last lines of')[0]}; said last: {last}"


def try_hardware(
    semester: Annotated[str, typer.Argument(metavar="[SEMESTER]", help="The newest if left out.")] = "",
    only: Annotated[str, typer.Option(help="Words; machines whose name has one of them.")] = "",
) -> None:
    """Boot the machines one after the other."""
    os.chdir(ROOT)
    trials, ova = choose(only), products.ova_path(find.find_semester(semester))
    if not ova.is_file():
        raise PracticumError(str(ova.relative_to(ROOT)), "not there", "run: make ova")
    if PROCESSORS[AMD64].find_firmware() is None and any(trial.uefi for trial in trials):
        raise PracticumError("UEFI", "there is no firmware for QEMU", "apt-get install ovmf")
    failed = 0
    with tempfile.TemporaryDirectory(prefix=".hardware-", dir=ROOT / "build") as folder:
        work = Path(folder)
        disks = make_disks(ova, [trial.disk_format for trial in trials], work)
        for trial in trials:
            machine = Machine(
                disks[trial.disk_format],
                work,
                LOGS,
                trial.name,
                uefi=trial.uefi,
                hardware=trial.hardware,
                disk_format=trial.disk_format,
            )
            outcome = boot(machine)
            machine.overlay.unlink()
            print(f"{trial.name}: {outcome}", flush=True)
            failed += bool(outcome.trouble)
    if failed:
        raise PracticumError("", f"{failed} of {len(trials)} machines did not get ready", f"see {LOGS}")


if __name__ == "__main__":
    run.stop_on_signals()
    sys.exit(cli.exit_code_of(lambda: typer.run(try_hardware)))
