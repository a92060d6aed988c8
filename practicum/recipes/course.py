"""The last layer of a product: the students' commands and the content."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from practicum.course import notebooks
from practicum.course.commands import build_wheels, list_commands
from practicum.course.content import assemble
from practicum.engine.progress import Console
from practicum.engine.stage import Tree
from practicum.images.packer import Play, Step, build_image, lent_uv
from practicum.images.stage import ImageStage


@dataclass(frozen=True)
class Course(ImageStage):
    """The content, read-only, the students' commands, and the suite of `course-verify`.

    product: "appliance", "cpu" or "cuda". variables: of the roles. include, solutions: as in the description.
    settings: of a container image, in Dockerfile words. converter: what makes the notebooks, with its version.
    """

    outputs: ClassVar = ("course.log",)

    before: ImageStage
    product: str
    variables: Mapping[str, Any]
    content: Tree
    runtime: Tree
    include: tuple[str, ...]
    solutions: bool
    verify: Tree
    settings: tuple[str, ...]
    play: Play
    converter: str = notebooks.RECIPE

    @property
    def title(self) -> str:
        return f"course-{self.product}"

    def build(self, out: Path, console: Console) -> None:
        staging = out / "mounts"
        console.say("assembling the content")
        assemble(self.content.path, self.include, staging / "content", solutions=self.solutions)
        verify = self.verify.copy_to(staging)
        packages = [self.runtime.path, self.content.path / "tools"]
        runtime, tools = build_wheels(packages, staging / "tools", out / "tools.log")
        given = {
            **self.variables,
            "course_runtime_wheel": runtime.name,
            "course_tools_wheel": tools.name,
            "course_commands": list_commands(packages, self.product),
        }
        with lent_uv(out) as program:
            folders = {"content": staging / "content", "tools": staging / "tools", "verify": verify}
            mounts = {"bin": program, **folders}
            build_image(Step(self.play, self.before.image, self.image, given, mounts, self.settings), out, console)
        shutil.rmtree(staging)
