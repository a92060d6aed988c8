"""The image in a real Podman without root: what it writes into the student's folder belongs to the student."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smoke_tests.cluster.documented import PODMAN, fill_in, find_command
from smoke_tests.cluster.machine import UID, Machine
from smoke_tests.waiting import wait_until

pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module")
def image(login: Machine, archive: Path) -> str:
    """Load the image from its file, which must have the page's name; return the name that Podman prints."""
    printed = login.succeed(find_command(PODMAN, "podman load"))
    assert archive.name in find_command(PODMAN, "podman load")
    return printed.split("Loaded image: ")[1].strip()


def test_a_folder_as_home(login: Machine, home: Path, image: str, tmp_path: Path) -> None:
    command = fill_in(find_command(PODMAN, "podman run"), {"IMAGE": image})
    log = tmp_path / "log"
    with login.background(command, log, stop="podman stop ee559") as process:
        wait_until(lambda: "JupyterLab is ready" in log.read_text() or process.poll() is not None, "JupyterLab")
        told = re.search(r"token=(\w+)", log.read_text())
        assert told, log.read_text()
        asked = "curl --silent --output /dev/null --write-out %{http_code} http://127.0.0.1:8888/api/contents"
        assert login.succeed(f"{asked}?token={told[1]}") == "200"
        login.succeed("podman exec ee559 touch mine")
    owned = [path.lstat().st_uid for path in (home / "work/mine", home / "work/ee559/index.md")]
    assert owned == [UID, UID]
