"""The base root: a minimal Debian made by mmdebstrap, the same for every product, as a local docker image."""

import os
from pathlib import Path

from practicum.progress import Console
from practicum.run import run

PACKAGES = ("ca-certificates", "python3")
"""What Ansible needs to start work in a container, and the network to be trusted."""


def mmdebstrap_argv(suite: str, trim: Path, tar: Path) -> list[str]:
    """Returns the command that writes `tar`; `trim` holds the dpkg settings, which stay in the root for later installs.

    No mirror is named: mmdebstrap takes Debian's own, with updates and security.
    """
    return [
        "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}",
        f"--dpkgopt={os.fspath(trim)}", suite, os.fspath(tar),
    ]  # fmt: skip


def build_base(suite: str, trim: Path, tag: str, out: Path, console: Console) -> None:
    """Makes the image `tag` and leaves `packages.txt`, the log and nothing else in `out`."""
    tar = out / "base.tar"
    log = out / "base.log"
    console.say(f"installing Debian {suite}")
    # The root grows where the next build sweeps: a killed mmdebstrap leaves it behind.
    where = {"TMPDIR": os.fspath(out)}
    run(mmdebstrap_argv(suite, trim, tar), step="base", log=log, env=where, on_line=console.say)
    run(["docker", "import", os.fspath(tar), tag], step="base", log=log)
    tar.unlink()
