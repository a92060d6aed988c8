"""A stage whose output is a docker image, named by its key."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from practicum.engine.stage import Stage
from practicum.images.docker import image_exists

GB = 10**9


@dataclass(frozen=True)
class ImageStage(Stage):
    """A stage that leaves the image `image`."""

    space: ClassVar[int] = GB // 2
    tools: ClassVar[tuple[str, ...]] = ("packer", "docker", "ansible-playbook")

    @property
    def image(self) -> str:
        return f"practicum-{self.name}:{self.key[:16]}"

    def still_there(self, _folder: Path) -> bool:
        return image_exists(self.image)
