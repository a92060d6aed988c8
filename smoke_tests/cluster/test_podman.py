"""The image in a real Podman without root: what it writes into the student's folder belongs to the student."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest
import yaml

from smoke_tests.cluster.documented import PODMAN, fill_in, find_command
from smoke_tests.cluster.machine import UID, Machine
from smoke_tests.container.pods import render
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


def test_the_pod_of_kubernetes(login: Machine, home: Path, image: str) -> None:
    """`podman kube play` of docker/kubernetes/lab: the token opens JupyterLab, and lies nowhere in the home."""
    token = secrets.token_hex(24)
    rendered = render("lab")
    (container,) = rendered["Pod"]["spec"]["containers"]
    container["image"] = image
    del container["resources"]["limits"]["nvidia.com/gpu"]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ee559-token"}, "stringData": {"token": token}}
    (home / "pod.yaml").write_text(yaml.safe_dump_all([secret, *rendered.values()]))
    login.succeed("podman kube play --network=pasta pod.yaml")  # the default network needs nftables
    try:
        name = "ee559-jupyter"
        wait_until(lambda: "JupyterLab is ready" in login.as_user(f"podman logs {name}").output, "JupyterLab")
        asked = "curl --silent --output /dev/null --write-out %{http_code} http://127.0.0.1:8888/api/contents"
        opened = login.succeed(f"podman exec {name} {asked} --header 'Authorization: token {token}'")
        assert (opened, login.succeed(f"podman exec {name} {asked}")) == ("200", "403")
        look = f"touch mine && ls && ! grep --recursive --files-with-matches {token} ."
        kept = login.succeed(f"podman exec {name} bash -c '{look}'").split()
        assert {"mine", "ee559"} <= {*kept}
    finally:
        login.as_user("podman kube down --force pod.yaml")  # fails for want of a volume that it has removed
