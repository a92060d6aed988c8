"""A minimal Debian as a docker image, made by mmdebstrap."""

import os
from pathlib import Path

from practicum.engine.progress import Console
from practicum.engine.run import run

PACKAGES = ("ca-certificates", "python3", "python3-apt")
"""What Ansible and its apt module need to start work in a container, and the network to be trusted."""


def mmdebstrap_argv(suite: str, trim: Path, tar: Path) -> list[str]:
    """Return the command that writes the root to `tar`.

    No mirror is named: mmdebstrap takes Debian's own, with updates and security.
    """
    return [
        "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}",
        f"--dpkgopt={os.fspath(trim)}", suite, os.fspath(tar),
    ]  # fmt: skip


def make_root(suite: str, trim: Path, tag: str, out: Path, epoch: int, console: Console) -> None:
    """Make the image `tag`, no file of which is younger than `epoch`; leave the log and nothing else in `out`."""
    tar, log = out / "base.tar", out / "base.log"
    # The root grows where the next build sweeps: a killed mmdebstrap leaves it behind.
    run(
        mmdebstrap_argv(suite, trim, tar), step="base", log=log, tmp=out, on_line=console.say,
        env={"SOURCE_DATE_EPOCH": str(epoch)},
    )  # fmt: skip
    run(["docker", "import", os.fspath(tar), tag], step="base", log=log)
    tar.unlink()
