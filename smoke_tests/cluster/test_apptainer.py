"""The image in a real Apptainer, by the lines of the pages: the student's own user, a root that cannot be written."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from smoke_tests.cluster.documented import APPTAINER, REPOSITORY, VERIFY, find_command
from smoke_tests.cluster.machine import UID, Machine
from smoke_tests.waiting import wait_until

pytestmark = [pytest.mark.timeout(1500), pytest.mark.usefixtures("sif")]  # the first test may have to make the root


def test_is_the_version_of_the_page(login: Machine) -> None:
    assert login.succeed("apptainer --version").startswith("apptainer version 1."), "the page says 1"


def test_some_tests_of_course_verify(login: Machine) -> None:
    printed = login.succeed(f"{find_command(VERIFY, 'apptainer exec')} -k autograd")
    assert re.search(r"\d+ passed", printed), printed


def test_a_program(login: Machine, home: Path) -> None:
    shutil.copy(REPOSITORY / "course_content/cluster/train.py", home)
    login.succeed(f"{find_command(APPTAINER, 'apptainer exec')} --epochs=1 --json=one-epoch.json --checkpoint=one.pth")
    assert len(json.loads((home / "one-epoch.json").read_text())["losses"]) == 10


def test_jupyterlab(login: Machine, home: Path, tmp_path: Path) -> None:
    """Its log names the tunnel and the token's file, and this token opens it; the course lies in the home."""
    port, log, token = 20000 + UID % 10000, tmp_path / "log", home / ".course-token-login"
    with login.background(
        find_command(APPTAINER, "apptainer run", "start-notebook.py"), log, stop="pkill --full '[A]pptainer runtime'"
    ) as process:
        wait_until(lambda: "JupyterLab is ready" in log.read_text() or process.poll() is not None, "JupyterLab")
        told = log.read_text()
        assert f"ssh -N -L {port}:localhost:{port} login\n" in told, told
        assert f"cat /home/student/{token.name}" in told and token.read_text().strip() not in told
        asked = f"curl --silent --output /dev/null --write-out %{{http_code}} http://127.0.0.1:{port}/api/contents"
        assert login.succeed(asked) == "403"
        assert login.succeed(f'{asked} --header "Authorization: token $(cat {token.name})"') == "200"
        assert (token.stat().st_mode & 0o777, token.stat().st_uid) == (0o600, UID)
        assert (home / "ee559/cluster/train.py").is_file()
    assert not token.exists(), "the token outlives its server"
