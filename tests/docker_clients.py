"""The docker clients of this machine: a newer one in PATH may hide the one that scripts/packages.txt declares."""

import os
import shutil
from pathlib import Path


def list_clients() -> list[Path]:
    """Returns every `docker` program along PATH and in /usr/bin, each file once, first the one that PATH finds."""
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/bin"]
    found = [Path(path) for folder in folders if (path := shutil.which("docker", path=folder))]
    return list({path.resolve(): path for path in reversed(found)}.values())[::-1]


def name_client(client: Path) -> str:
    """Returns the client's path as the name of a test."""
    return str(client)


def declared_client() -> Path | None:
    """Returns the client of Debian's docker.io where it is installed, else the one that PATH finds, else None."""
    debian = Path("/usr/bin/docker")
    return debian if debian.exists() else next(iter(list_clients()), None)


def path_with(client: Path) -> str:
    """Returns a PATH that finds `client` first."""
    return os.pathsep.join([os.fspath(client.parent), os.environ.get("PATH", os.defpath)])
