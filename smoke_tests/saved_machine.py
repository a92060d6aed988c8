"""A running machine saved to files: its memory, its devices, its disk, and what its console has shown.

Any number of machines go on from there, each with its own overlay and its own copy of the memory (pages are copied when
they are written). A boot costs 80 CPU seconds in emulation, going on from a saved machine less than one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from smoke_tests.qemu import Machine, Resume, extract_disk

Boot = Callable[[], tuple[Machine, dict[str, float]]]
"""Boots a machine; returns it, running, and the figures of `SavedMachine.boot`."""


@dataclass(frozen=True)
class SavedMachine:
    """The files of a saved machine in `folder`; `Machine.disk` of those that go on is its `disk`."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "disk.qcow2"

    @property
    def resume(self) -> Resume:
        return Resume(self.folder / "memory", self.folder / "state", self.folder / "console.log")

    @property
    def boot(self) -> dict[str, float]:
        """CPU seconds of QEMU until the console showed the code ("code") and JupyterLab was ready ("ready")."""
        figures: dict[str, float] = json.loads((self.folder / "boot.json").read_text())
        return figures

    def is_complete(self) -> bool:
        return (self.folder / "boot.json").is_file()  # written last

    def save(self, machine: Machine, boot: dict[str, float]) -> None:
        """Stop a machine and write it into `folder`."""
        machine.qmp("stop")
        machine.qmp("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])
        machine.qmp("migrate", uri=f"exec:cat > {shlex.quote(str(self.resume.state))}")
        machine.wait_migrated()
        machine.save_memory(self.resume.memory)
        machine.power_cut()  # the disk was flushed and given up with the state
        shutil.copyfile(machine.log, self.resume.console)
        machine.overlay.rename(self.disk)
        (self.folder / "boot.json").write_text(json.dumps(boot))


@dataclass(frozen=True)
class Shelf:
    """What the tests of one .ova share: its disk, and the machine saved after its first boot.

    The folder is named by the digest of the .ova and of QEMU's version; several test runs may use it at once.
    """

    ova: Path
    place: Path
    version: str

    @cached_property
    def folder(self) -> Path:
        """The folder; those of other .ova files are removed when it is made."""
        with self.ova.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        digest.update(self.version.encode())
        name = digest.hexdigest()[:16]
        folder = self.place / name
        if not folder.exists():
            for other in self.place.glob("*"):
                shutil.rmtree(other, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def disk(self) -> Path:
        """Return the disk inside the .ova as a raw file, only to be read."""
        raw = self.folder / "disk.raw"
        with self._locked():
            if not raw.exists():
                extract_disk(self.ova, raw.with_suffix(".part"))
                raw.with_suffix(".part").rename(raw)
        return raw

    def machine(self, boot: Boot, *, again: bool = False) -> SavedMachine:
        """Return the machine whose first boot is done: `boot` makes it when it is not there, or `again`."""
        saved = SavedMachine(self.folder / "booted")
        with self._locked():
            if again or not saved.is_complete():
                shutil.rmtree(saved.folder, ignore_errors=True)
                saved.folder.mkdir()
                machine, figures = boot()
                saved.save(machine, figures)
        return saved

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def go_on(saved: SavedMachine, machine: Callable[..., Machine], name: str) -> Machine:
    """Return a new machine, off, whose first power-on goes on from the saved one; `machine` takes further arguments."""
    return machine(
        name,
        disk=saved.disk,
        disk_format="qcow2",
        resume=saved.resume,
    )


def copy_overlay(machine: Machine, target: Path) -> None:
    """Write what a running machine has written to its disk so far, as a power cut at this moment leaves it (qcow2)."""
    with machine.frozen():
        shutil.copyfile(machine.overlay, target)
