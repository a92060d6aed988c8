"""The Python environment of the appliance as a read-only, compressed file system."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from practicum.engine.progress import Console
from practicum.engine.stage import Stage
from practicum.images.docker import ask_image
from practicum.images.stage import GB, ImageStage
from practicum.images.tree import export_tree
from practicum.ova.squashfs import PYTHON_PLACE, parse_read_order, read_order_argv, write_squashfs


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
        console.say("looking which files a start of JupyterLab reads")
        order = ask_image(self.appliance.image, {"order": read_order_argv(f"/{PYTHON_PLACE}")}, out)["order"]
        first, log = parse_read_order(order), out / "python.log"
        console.say("compressing the Python environment")
        write_squashfs(out / "tree" / PYTHON_PLACE, out / "python.squashfs", epoch=self.epoch, log=log, first=first)
        shutil.rmtree(out / "tree")
