"""The lowest layer: a minimal Debian made by mmdebstrap, the same for every product."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from practicum.engine.progress import Console
from practicum.engine.run import run
from practicum.engine.stage import Tree
from practicum.images.stage import GB, ImageStage

PACKAGES = ("ca-certificates", "python3", "python3-apt")
"""What Ansible and its apt module need to start work in a container, and the network to be trusted."""


@dataclass(frozen=True)
class Base(ImageStage):
    """A minimal Debian.

    suite: Debian's name of the release. trim: the settings of dpkg, which stay in the root for later installs.
    recorded: debian.lock, None before there is one; a new one asks for today's packages.
    """

    outputs: ClassVar = ("base.log",)
    space: ClassVar = GB
    tools: ClassVar = ("mmdebstrap", "docker")

    suite: str
    trim: Tree
    recorded: Tree | None

    def build(self, out: Path, console: Console) -> None:
        console.say(f"installing Debian {self.suite}")
        make_root(self.suite, self.trim.path, self.image, out, console)


def mmdebstrap_argv(suite: str, trim: Path, tar: Path) -> list[str]:
    """Return the command that writes the root to `tar`.

    No mirror is named: mmdebstrap takes Debian's own, with updates and security.
    """
    return [
        "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}",
        f"--dpkgopt={os.fspath(trim)}", suite, os.fspath(tar),
    ]  # fmt: skip


def make_root(suite: str, trim: Path, tag: str, out: Path, console: Console) -> None:
    """Make the image `tag`; leave the log and nothing else in `out`."""
    tar, log = out / "base.tar", out / "base.log"
    # The root grows where the next build sweeps: a killed mmdebstrap leaves it behind.
    run(mmdebstrap_argv(suite, trim, tar), step="base", log=log, tmp=out, on_line=console.say)
    run(["docker", "import", os.fspath(tar), tag], step="base", log=log)
    tar.unlink()
