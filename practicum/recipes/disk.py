"""The appliance's disk."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from practicum.engine.progress import Console
from practicum.engine.stage import Stage
from practicum.images.stage import GB, ImageStage
from practicum.images.tree import export_tree
from practicum.ova.disk import TOOLS, Plan, write_disk
from practicum.ova.squashfs import PYTHON_PLACE
from practicum.ova.vmdk import write_stream_optimized


@dataclass(frozen=True)
class Disk(Stage):
    """The disk: boot loaders, root file system, Python environment, compressed."""

    outputs: ClassVar = ("disk.vmdk",)
    space: ClassVar = 8 * GB
    tools: ClassVar = ("docker", *TOOLS)

    course: ImageStage
    squashfs: Stage
    plan: Plan

    def build(self, out: Path, console: Console) -> None:
        console.say("unpacking the root file system")
        export_tree(self.course.image, out / "tree", out, [f"--exclude={PYTHON_PLACE}/*"])
        python = self.squashfs.folder / "python.squashfs"
        write_disk(out / "tree", python, out / "disk.raw", self.plan, work=out, console=console)
        shutil.rmtree(out / "tree")
        console.say("compressing")
        write_stream_optimized(out / "disk.raw", out / "disk.vmdk")
        for leftover in ("disk.raw", "esp.img", "core.img", "BOOTX64.EFI"):
            (out / leftover).unlink()
