"""The layer of the data sets, below torch, so that every product shares it."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from practicum.course import datasets
from practicum.engine import cache
from practicum.engine.progress import Console
from practicum.engine.publish import write_text
from practicum.engine.stage import Tree
from practicum.images.native import graft
from practicum.images.packer import Play, Step, build_image
from practicum.images.stage import GB, ImageStage


@dataclass(frozen=True)
class Data(ImageStage):
    """The data sets in `/opt/course/data`; left out when `data.sets` is empty.

    The real ones were fetched on the host, a stand-in is made inside, by the products' own Python. sets, source: as in
    the description. maker: the package that fetches and makes them. native: the same stage for the machine's own
    architecture, whose layer is taken; None where that is this one.
    """

    outputs: ClassVar = ("data.json",)
    space: ClassVar = GB

    before: ImageStage
    sets: tuple[str, ...]
    source: str
    maker: Tree
    play: Play
    native: ImageStage | None = None

    def build(self, out: Path, console: Console) -> None:
        if self.native:
            graft(self.native.image, self.before.image, self.image, out)
            shutil.copy(self.native.folder / "data.json", out)
            return
        # Alone below a folder of its package's name: nothing else of the package is in reach.
        package = out / "tools" / self.maker.path.parent.name
        self.maker.copy_as(package / self.maker.path.name)
        (package / "__init__.py").touch()
        store = cache.root() / "datasets"
        real = datasets.fetch(self.sets, self.source, package.parent, store, out, console)
        made = [name for name in self.sets if name not in real]
        variables = {"real_sets": list(real), "stand_in_sets": made}
        mounts = {"tools": package.parent, "real": store}
        build_image(Step(self.play, self.before.image, self.image, variables, mounts), out, console)
        write_text(out / "data.json", json.dumps({"real": list(real), "stand-in": made}, indent=1))
