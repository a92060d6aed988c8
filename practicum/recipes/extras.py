"""What a course adds of its own to a product, below its content."""

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
class Extras(ImageStage):
    """The course's own files, settings of JupyterLab, environment variables and tasks of Ansible.

    product: "appliance", "cpu" or "cuda". variables: of the roles. files, overrides, tasks: the folder files/, the file
    of settings and the folder with tasks.yml; None for what the course does not have. environment: name -> value.
    """

    outputs: ClassVar = ("extras.log",)

    before: ImageStage
    product: str
    variables: Mapping[str, Any]
    files: Tree | None
    overrides: Tree | None
    tasks: Tree | None
    environment: Mapping[str, str]
    play: Play

    @property
    def title(self) -> str:
        return f"extras-{self.product}"

    def build(self, out: Path, console: Console) -> None:
        staging = out / "extras"
        staging.mkdir()
        for name, tree in (("files", self.files), ("overrides.json", self.overrides), ("tasks", self.tasks)):
            if tree:
                tree.copy_as(staging / name)
        own_tasks = str(staging / "tasks" / "tasks.yml") if self.tasks else ""
        variables = {**self.variables, "environment_lines": self.list_lines(), "own_tasks": own_tasks}
        step = Step(
            self.play, self.before.image, self.image, variables, {"extras": staging}, changes=self.list_changes()
        )
        build_image(step, out, console)
        shutil.rmtree(staging)

    def list_lines(self) -> list[str]:
        """Return the environment variables as a shell and systemd read them: NAME="value"."""
        return [f'{name}="{value}"' for name, value in self.environment.items()]

    def list_changes(self) -> tuple[str, ...]:
        """Return the environment variables of a container image, in Dockerfile words."""
        return () if self.product == "appliance" else tuple(f"ENV {line}" for line in self.list_lines())
