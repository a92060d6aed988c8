"""A Debian package of another architecture as files: what can be used, but not installed, on the machine that builds.

apt keeps its own state in folders of its own here, so that the machine's package lists stay as they are.
"""

import os
import shutil
from pathlib import Path

from practicum.engine.run import run

FOLDERS = ("state/lists/partial", "cache/archives/partial")


def apt_argv(apt: Path, architecture: str, *words: str) -> list[str]:
    """Return the command of apt-get that knows packages of `architecture` alone and keeps its state in `apt`.

    Sources and their keys are the machine's own.
    """
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "Dir::State": apt / "state",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        # apt would give the file to a user of its own, who cannot enter the folder of a build.
        "APT::Sandbox::User": "root",
    }
    return ["apt-get", "--quiet", *(f"--option={name}={value}" for name, value in settings.items()), *words]


def fetch_package(package: str, architecture: str, debs: Path, given: Path | None, work: Path) -> None:
    """Put the file of `package` into the folder `debs`: from the folder `given`, None for Debian's mirror.

    work: a folder for apt's state and the log. Raises PracticumError when the mirror has no such package.
    """
    for file in given.glob("*.deb") if given else ():
        shutil.copy2(file, debs / file.name)
    if given:
        return
    apt, log = work / "apt", work / "apt.log"
    for name in FOLDERS:
        (apt / name).mkdir(parents=True)
    (apt / "status").touch()
    run(apt_argv(apt, architecture, "update"), step="apt", log=log)
    run(apt_argv(apt, architecture, "download", package), step="apt", log=log, cwd=debs)
    shutil.rmtree(apt)


def unpack_argv(file: Path, folder: Path) -> list[str]:
    """Return the command that unpacks the package `file` below `folder`."""
    return ["dpkg-deb", "--extract", os.fspath(file), os.fspath(folder)]
