"""The machine, but for the course: its tree is what the disk is written from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from practicum.engine.progress import Console
from practicum.engine.publish import write_text
from practicum.engine.stage import Place
from practicum.images.debs import RECORD, DebSource, keep_debs
from practicum.images.docker import ask_image
from practicum.images.packer import Play, Step, build_image
from practicum.images.stage import GB, ImageStage
from practicum.wheels.debian_lock import drift, read_debian

DPKG = ("dpkg-query", "--show", "--showformat=${Package}=${Version}\n")


@dataclass(frozen=True)
class Appliance(ImageStage):
    """The machine: kernel, services, the student's account, JupyterLab's settings.

    variables: of the roles. recorded: debian.lock, to tell what has changed since. debs: where the packages come from.
    """

    outputs: ClassVar = ("debian.txt", RECORD)
    space: ClassVar = 2 * GB

    torch: ImageStage
    variables: Mapping[str, Any]
    recorded: Place
    debs: DebSource
    play: Play

    def build(self, out: Path, console: Console) -> None:
        archives, given = out / "debs", self.debs.of(self.name)
        archives.mkdir()
        step = Step(self.play, self.torch.image, self.image, self.variables, archives=archives, given=given)
        build_image(step, out, console)
        keep_debs(archives, given)
        write_text(out / "debian.txt", ask_image(self.image, {"debian": DPKG}, out)["debian"])
        report_drift(self.recorded.path, out / "debian.txt", console)


def report_drift(recorded: Path, installed: Path, console: Console) -> None:
    """Say what Debian has changed since the packages were recorded: the mirror serves only what is current."""
    if recorded.exists():
        for line in drift(read_debian(recorded), read_debian(installed)):
            console.say(f"differs from debian.lock: {line}")
