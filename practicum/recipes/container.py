"""A container image, but for the course: the start interface on the Python environment."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from practicum.engine.progress import Console
from practicum.engine.stage import Tree
from practicum.images.packer import Play, Step, build_image
from practicum.images.stage import ImageStage


@dataclass(frozen=True)
class Container(ImageStage):
    """The start interface, the user, JupyterLab's settings.

    variant: "cpu" or "cuda". variables: of the roles. programs, hooks, library: folders of docker/.
    """

    outputs: ClassVar = ("container.log",)

    torch: ImageStage
    variant: str
    variables: Mapping[str, Any]
    programs: Tree
    hooks: Tree
    library: Tree
    play: Play

    @property
    def title(self) -> str:
        return f"container-{self.variant}"

    def build(self, out: Path, console: Console) -> None:
        start = out / "start"
        for tree in (self.programs, self.hooks, self.library):
            tree.copy_to(start)
        mounts = {"torch": self.torch.folder, "docker": start / "docker"}
        build_image(Step(self.play, self.torch.image, self.image, self.variables, mounts), out, console)
        shutil.rmtree(start)
