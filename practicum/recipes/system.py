"""The layer of Debian's packages that every product has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from practicum.engine import cache
from practicum.engine.progress import Console
from practicum.engine.stage import Tree
from practicum.images.debs import RECORD, DebSource, keep_debs
from practicum.images.native import take_folder
from practicum.images.packer import Play, Step, build_image, lent_uv
from practicum.images.stage import ImageStage


@dataclass(frozen=True)
class System(ImageStage):
    """Debian packages of every product, and an empty `/opt/venv`.

    suite: Debian's name of the release. packages: `debian.packages` of the description. recorded: debian.lock, None
    before there is one; a new one asks for today's packages. debs: where these come from.
    native: this stage of the machine's own architecture, whose `/opt/venv` fits any other; None where that is its own.
    """

    outputs: ClassVar = ("system.log", RECORD)

    base: ImageStage
    suite: str
    packages: tuple[str, ...]
    recorded: Tree | None
    debs: DebSource
    play: Play
    native: ImageStage | None = None

    def build(self, out: Path, console: Console) -> None:
        variables: dict[str, Any] = {"debian_suite": self.suite, "debian_packages": list(self.packages)}
        archives, given = out / "debs", self.debs.of(self.name)
        archives.mkdir()
        with lent_uv(out) as program:
            mounts = {"bin": program}
            if self.native:
                take_folder(self.native.image, "/opt/venv", out / "venv", out)
                mounts["venv"] = out / "venv"
                variables["given_venv"] = True
            step = Step(self.play, self.base.image, self.image, variables, mounts, archives=archives, given=given)
            build_image(step, out, console)
        cache.remove_tree(out / "venv")
        keep_debs(archives, given)
