"""docker/kubernetes: inside the Pod Security Standard "restricted", and the image works under what it imposes."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import pytest
import yaml

from smoke_tests.container.conftest import RunContainer
from smoke_tests.container.pods import FOLDER, docker_options, require_restricted
from smoke_tests.jupyter import Jupyter

POD_ADDRESS = "10.244.3.7:8888"  # probes and port-forwarding ask for the pod, not for localhost


def read(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return loaded


def read_pod(name: str) -> dict[str, Any]:
    """Return the description of a file's pod, which may be a job's."""
    spec: dict[str, Any] = read(name)["spec"]
    return spec["template"]["spec"] if "template" in spec else spec


@pytest.fixture(scope="module")
def pod() -> dict[str, Any]:
    return read_pod("lab/pod.yaml")


@pytest.fixture(scope="module", params=["lab/pod.yaml", "train/job.yaml"])
def any_pod(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read_pod(request.param)


def test_the_pod_is_restricted(any_pod: dict[str, Any]) -> None:
    require_restricted(any_pod)


def test_the_pod_is_for_the_newest_semester(any_pod: dict[str, Any], request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--semester"):
        pytest.skip("the file names an image of the newest semester, and --semester asks for another one")
    course = request.getfixturevalue("semester").course
    assert any_pod["containers"][0]["image"] == f"{course.slug}:{course.semester}-cuda"


def test_what_is_mounted_exists(any_pod: dict[str, Any]) -> None:
    volumes = {volume["name"]: volume for volume in any_pod["volumes"]}
    assert {mount["name"] for mount in any_pod["containers"][0]["volumeMounts"]} == volumes.keys()
    claim = volumes["home"]["persistentVolumeClaim"]["claimName"]
    assert claim == read("lab/claim.yaml")["metadata"]["name"]


def test_the_image_works_as_the_pod_runs_it(pod: dict[str, Any], run_container: RunContainer, tmp_path: Path) -> None:
    """The kubelet's settings as docker's options, a probe, and a cell."""
    if os.geteuid():
        pytest.skip("only root can give the mounted folders the owners that a cluster gives them")
    token = secrets.token_hex(24)
    container = run_container(*docker_options(pod, tmp_path, token))
    container.wait_healthy()

    probes = [pod["containers"][0][f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
    assert {container.get(probe["path"], token="", Host=POD_ADDRESS).status_code for probe in probes} == {200}
    assert container.get("/api/contents", token="", Host=POD_ADDRESS).status_code == 403
    assert container.get("/lab", token, Host=POD_ADDRESS).status_code == 200
    assert token not in container.logs()

    with Jupyter(container.url, token).start_kernel() as kernel:
        outcome = kernel.execute("from pathlib import Path; Path('mine.txt').write_text('kept')")
    assert outcome.status == "ok", outcome
    assert (tmp_path / "home" / "mine.txt").read_text() == "kept"
