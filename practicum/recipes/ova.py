"""The `.ova`, as it is given to students."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from practicum.engine.progress import Console
from practicum.engine.publish import write_text
from practicum.engine.stage import Stage
from practicum.engine.stages import describe_file
from practicum.images.stage import GB
from practicum.ova import ovf, pack


@dataclass(frozen=True)
class Ova(Stage):
    """The `.ova` in `dist/`, verified.

    machine: the virtual machine as the importer shows it. epoch: seconds since 1970, the time of the archive's members.
    """

    outputs: ClassVar = ("ova.json",)
    space: ClassVar = 2 * GB

    disk: Stage
    machine: ovf.Appliance
    epoch: int
    target: Path

    def build(self, out: Path, console: Console) -> None:
        vmdk = self.disk.folder / "disk.vmdk"
        console.say("packing and verifying")
        descriptor = ovf.describe(self.machine, ovf.Disk.of(vmdk, pack.disk_name(self.machine.name)))
        pack.write(self.target, descriptor, vmdk, name=self.machine.name, mtime=self.epoch)
        write_text(out / "ova.json", describe_file(self.target))

    def still_there(self, folder: Path) -> bool:
        return self.target.exists() and (folder / "ova.json").read_text() == describe_file(self.target)
