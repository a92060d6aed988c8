"""The lowest layer: a minimal Debian made by mmdebstrap, the same for every product."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from practicum.engine.progress import Console
from practicum.engine.stage import Tree
from practicum.images.debs import RECORD, DebSource, keep_debs
from practicum.images.root import PRIORITIES, make_root
from practicum.images.stage import GB, ImageStage


@dataclass(frozen=True)
class Base(ImageStage):
    """A minimal Debian.

    suite: Debian's name of the release. trim: the settings of dpkg, which stay in the root for later installs.
    recorded: debian.lock, None before there is one; a new one asks for today's packages. epoch: seconds since 1970 that
    stand as the time of what the installation writes. debs: where the packages come from.
    """

    outputs: ClassVar = ("base.log", "sources.list", PRIORITIES, RECORD)
    space: ClassVar = GB
    tools: ClassVar = ("mmdebstrap", "docker")

    suite: str
    trim: Tree
    recorded: Tree | None
    epoch: int
    debs: DebSource

    def build(self, out: Path, console: Console) -> None:
        console.say(f"installing Debian {self.suite}")
        given = self.debs.of(self.name)
        make_root(self.suite, self.trim.path, self.image, out, self.epoch, console, given)
        keep_debs(out / "debs", given)
