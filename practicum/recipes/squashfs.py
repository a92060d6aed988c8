"""The Python environment of the appliance as a read-only, compressed file system."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from practicum.engine.progress import Console
from practicum.engine.stage import Stage
from practicum.images.stage import GB, ImageStage
from practicum.images.tree import export_tree
from practicum.ova.squashfs import PYTHON_PLACE, write_squashfs


@dataclass(frozen=True)
class Squashfs(Stage):
    """The Python environment, compressed.

    epoch: seconds since 1970 that stand as the time of writing.
    """

    outputs: ClassVar = ("python.squashfs",)
    space: ClassVar = 4 * GB
    tools: ClassVar = ("docker", "mksquashfs")

    appliance: ImageStage
    epoch: int

    def build(self, out: Path, console: Console) -> None:
        console.say("unpacking the Python environment")
        export_tree(self.appliance.image, out / "tree", out, [PYTHON_PLACE])
        console.say("compressing the Python environment")
        write_squashfs(out / "tree" / PYTHON_PLACE, out / "python.squashfs", epoch=self.epoch, log=out / "python.log")
        shutil.rmtree(out / "tree")
