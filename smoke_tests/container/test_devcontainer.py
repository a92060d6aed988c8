"""docker/devcontainer in the program that VS Code's dev containers are made with, for a user with an id of his own."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from practicum.architecture import Architecture
from smoke_tests.container.docker import cgroup_options, docker, inspect
from smoke_tests.npm import find_node, find_package
from smoke_tests.waiting import PATIENCE

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = REPOSITORY / "docker/devcontainer/devcontainer.json"
TOOL = REPOSITORY / "tests/data/devcontainers-cli"
SOCKET = Path("/var/run/docker.sock")
VOLUME = "ee559-vscode"
USER, UID, GID = "ann", 21001, 21002

# In a namespace with a line for the user in passwd, and with Node.js and the program where the user may read them.
BECOME = f"""set -e
mount --bind "$1" /etc/passwd
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/node /mnt/tool
mount --bind "$2" /mnt/node
mount --bind "$3" /mnt/tool
export HOME="$4" TMPDIR="$4"
exec setpriv --reuid={UID} --regid={GID} --groups="$5" /mnt/node/bin/node /mnt/tool/devcontainer.js "${{@:6}}"
"""


class DevContainer:
    """A folder of a student's with the course's file, and what VS Code does with it."""

    def __init__(self, place: Path, image: str) -> None:
        self.place, self.folder, self.home = place, place / "project", place / "home"
        self.volume = f"smoke-vscode-{secrets.token_hex(4)}"
        settings = read_settings()
        settings["image"] = image
        settings["mounts"] = [mount.replace(VOLUME, self.volume) for mount in settings["mounts"]]
        settings["runArgs"] += cgroup_options()
        (self.folder / ".devcontainer").mkdir(parents=True)
        self.home.mkdir()
        (self.folder / ".devcontainer/devcontainer.json").write_text(json.dumps(settings))
        (self.folder / "mine.txt").write_text("mine")
        (place / "passwd").write_text(f"{Path('/etc/passwd').read_text()}{USER}:x:{UID}:{GID}::{self.home}:/bin/sh\n")
        for path in (self.home, self.folder, *self.folder.rglob("*")):
            os.chown(path, UID, GID)

    def run(self, *arguments: str) -> str:
        """Return what the program prints."""
        folders = (self.place / "passwd", find_node().parents[1], find_package(TOOL), self.home)
        argv = ["unshare", "--mount", "bash", "-c", BECOME, "bash", *map(str, folders), str(SOCKET.stat().st_gid)]
        argv += [arguments[0], "--workspace-folder", str(self.folder), *arguments[1:]]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, f"{' '.join(arguments)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def clear(self) -> None:
        """Remove the container, the image that was made for the user, and the volume."""
        found = docker("ps", "--all", "--quiet", "--filter", f"label=devcontainer.local_folder={self.folder}")
        for container in found.stdout.split():
            image = inspect(container)["Image"]
            docker("rm", "--force", "--volumes", container)
            docker("rmi", "--force", image, check=False)
        docker("volume", "rm", "--force", self.volume)


def read_settings() -> dict[str, Any]:
    """Return what the file holds between its remarks."""
    settings: dict[str, Any] = json.loads(re.sub(r"(?m)^\s*//.*$", "", FILE.read_text()))
    return settings


@pytest.fixture
def dev(cpu_image: str, architecture: Architecture, tmp_path: Path) -> Iterator[DevContainer]:
    if os.geteuid():
        pytest.skip("only root can be another user for this")
    if not architecture.is_native:
        pytest.skip("the program cannot ask docker for an emulated processor")
    if missing := [program for program in ("unshare", "setpriv") if not shutil.which(program)]:
        pytest.skip(f"missing on this machine: {', '.join(missing)}")
    if not SOCKET.is_socket():
        pytest.skip(f"docker does not answer at {SOCKET}")
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 1:  # the user must come to what pytest keeps closed
            folder.chmod(folder.stat().st_mode | 1)
    container = DevContainer(tmp_path, cpu_image)
    try:
        yield container
    finally:
        container.clear()


def test_the_file_is_for_the_newest_semester(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--semester"):
        pytest.skip("the file names an image of the newest semester, and --semester asks for another one")
    course = request.getfixturevalue("semester").course
    assert read_settings()["image"] == f"{course.slug}:{course.semester}-cpu"


def test_the_course_is_there_and_the_files_are_the_students(dev: DevContainer) -> None:
    told = json.loads(dev.run("up"))
    assert told["outcome"] == "success" and told["remoteUser"] == "jovyan"
    asked = "id -u; whoami; pwd; command -v python; cat work/mine.txt ee559/index.md; touch work/new ee559/new"
    uid, name, place, python, text, *_ = dev.run("exec", "bash", "-lc", asked).splitlines()
    assert (uid, name, place, python) == (str(UID), "jovyan", "/home/jovyan", "/opt/venv/bin/python")
    assert text.startswith("mine# ")
    assert (dev.folder / "new").stat().st_uid == UID
