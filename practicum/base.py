"""The base root: a minimal Debian made by mmdebstrap, the same for every product, as a local docker image."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from practicum.errors import PracticumError
from practicum.images import ensure_docker, running
from practicum.progress import Console
from practicum.run import read, run

PACKAGES = ("ca-certificates", "python3", "python3-apt")
"""What Ansible and its apt module need to start work in a container, and the network to be trusted."""


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
    run(mmdebstrap_argv(suite, trim, tar), step="base", log=log, tmp=out, on_line=console.say)
    run(["docker", "import", os.fspath(tar), tag], step="base", log=log)
    tar.unlink()


def resolve_packages(suite: str, trim: Path, packages: Sequence[str], work: Path, console: Console) -> dict[str, str]:
    """Returns the version, by name, of every package a build of today installs: base root, `packages`, what they need.

    Nothing is installed: a fresh base root asks apt. Raises PracticumError when a package does not exist.
    """
    ensure_docker()
    tag = f"practicum-lock:{os.getpid()}"
    build_base(suite, trim, tag, work, console)
    try:
        with running(tag, work, network="bridge") as container:
            inside = ["docker", "exec", container]
            console.say("resolving the Debian packages")
            query = ["dpkg-query", "--show", "--showformat=${Package}=${Version}\n"]
            installed = read([*inside, *query], step="lock")
            read([*inside, "apt-get", "update"], step="lock", timeout=300)
            simulate = ["apt-get", "install", "--simulate", "--no-install-recommends", *packages]
            planned = read([*inside, *simulate], step="lock", timeout=300)
    finally:
        read(["docker", "image", "rm", "--force", tag], step="lock")
    versions = dict(line.split("=", 1) for line in installed.splitlines())
    return versions | parse_simulation(planned)


def parse_simulation(text: str) -> dict[str, str]:
    """Returns the versions in the `Inst` lines of `apt-get --simulate`: `Inst NAME [OLD] (NEW ARCHIVE [ARCH])`."""
    lines = [line for line in text.splitlines() if line.startswith("Inst ")]
    matches = [re.match(r"Inst (\S+) (?:\[\S+\] )?\((\S+)", line) for line in lines]
    if None in matches:
        raise PracticumError(
            f"lock: apt-get says {lines[matches.index(None)]!r}, which has no version; is apt newer than 2.x?"
        )
    return {match[1].partition(":")[0]: match[2] for match in matches if match}
