"""The lowest layer: a minimal Debian made by mmdebstrap, the same for every product."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from practicum.engine.progress import Console
from practicum.engine.stage import Tree
from practicum.images.debs import RECORD, DebSource, keep_debs
from practicum.images.root import PRIORITIES, Root, make_root
from practicum.images.stage import GB, ImageStage


@dataclass(frozen=True)
class Base(ImageStage):
    """A minimal Debian.

    suite: Debian's name of the release. trim: the settings of dpkg, which stay in the root for later installs.
    debian_lock: the lock's lines for it, "" before there is a lock; others ask for today's packages. epoch: seconds
    since 1970 that stand as the time of what the installation writes. debs: where the packages come from. architecture,
    variant: as of images.root.Root.
    """

    outputs: ClassVar = ("base.log", "sources.list", PRIORITIES, RECORD)
    space: ClassVar = GB
    tools: ClassVar = ("mmdebstrap", "docker")

    suite: str
    trim: Tree
    debian_lock: str
    epoch: int
    debs: DebSource
    architecture: str
    variant: str

    def build(self, out: Path, console: Console) -> None:
        console.say(f"installing Debian {self.suite}")
        given = self.debs.of(self.name)
        root = Root(self.suite, self.trim.path, self.epoch, self.architecture, self.variant)
        make_root(root, self.image, out, console, given)
        keep_debs(out / "debs", given)
