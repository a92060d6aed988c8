"""The appliance's disk."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from practicum.engine.progress import Console
from practicum.engine.stage import Stage
from practicum.images.stage import GB, ImageStage
from practicum.images.tree import export_tree
from practicum.ova.disk import TOOLS, Plan, list_grub_files, write_disk
from practicum.ova.squashfs import PYTHON_PLACE
from practicum.ova.vmdk import write_stream_optimized


@dataclass(frozen=True)
class Disk(Stage):
    """The disk: boot loaders, root file system, Python environment, compressed.

    grub: the stage that fetched GRUB's files, None where they are installed on the machine that builds.
    """

    outputs: ClassVar = ("disk.vmdk",)
    space: ClassVar = 8 * GB
    tools: ClassVar = ("docker", *TOOLS)

    course: ImageStage
    squashfs: Stage
    plan: Plan
    grub: Stage | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        return self.tools if self.grub else (*self.tools, *list_grub_files(self.plan.boot))

    def build(self, out: Path, console: Console) -> None:
        console.say("unpacking the root file system")
        export_tree(self.course.image, out / "tree", out, [f"--exclude={PYTHON_PLACE}/*"])
        python = self.squashfs.folder / "python.squashfs"
        grub = self.grub.folder if self.grub else Path("/")
        write_disk(out / "tree", python, out / "disk.raw", self.plan, grub=grub, work=out, console=console)
        shutil.rmtree(out / "tree")
        console.say("compressing")
        write_stream_optimized(out / "disk.raw", out / "disk.vmdk")
        for leftover in ("disk.raw", "esp.img", "core.img", self.plan.boot.removable):
            (out / leftover).unlink(missing_ok=True)
