"""GRUB's files for an architecture whose packages cannot be installed on the machine that builds."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from practicum.engine.progress import Console
from practicum.engine.run import run
from practicum.engine.stage import Stage
from practicum.images.apt import fetch_package, unpack_argv
from practicum.images.debs import RECORD, DebSource, keep_debs


@dataclass(frozen=True)
class Grub(Stage):
    """GRUB's files for another architecture.

    package: Debian's name. architecture: its, in Debian's words. debs: where it comes from.
    """

    outputs: ClassVar = (RECORD,)
    space: ClassVar = 10**8
    tools: ClassVar = ("apt-get", "dpkg-deb")

    package: str
    architecture: str
    debs: DebSource

    def build(self, out: Path, console: Console) -> None:
        console.say(f"fetching {self.package}")
        archives, given = out / "debs", self.debs.of(self.name)
        archives.mkdir()
        fetch_package(self.package, self.architecture, archives, given, out)
        for file in archives.glob("*.deb"):
            run(unpack_argv(file, out), step=self.name)
        keep_debs(archives)
