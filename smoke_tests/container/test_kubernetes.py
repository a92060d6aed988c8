"""docker/kubernetes.yaml: inside the Pod Security Standard "restricted", and the image works under what it imposes."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import pytest
import yaml

from smoke_tests.container.conftest import RunContainer
from smoke_tests.jupyter import Jupyter

FILE = Path(__file__).resolve().parents[2] / "docker" / "kubernetes.yaml"
POD_ADDRESS = "10.244.3.7:8888"  # probes and port-forwarding ask for the pod, not for localhost

# What the standard lets a pod mount.
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


@pytest.fixture(scope="module")
def manifest() -> dict[str, dict[str, Any]]:
    """Return the objects of the file by kind."""
    return {each["kind"]: each for each in yaml.safe_load_all(FILE.read_text())}


@pytest.fixture(scope="module")
def pod(manifest: dict[str, dict[str, Any]]) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["Pod"]["spec"]
    return spec


def test_the_pod_is_restricted(pod: dict[str, Any]) -> None:
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert all(volume.keys() - {"name"} <= VOLUMES for volume in pod["volumes"])

    common = pod["securityContext"]
    assert common["runAsNonRoot"] is True and common["runAsUser"] > 0
    assert common["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"sysctls", "seLinuxOptions", "windowsOptions"} & common.keys()

    (container,) = pod["containers"]
    assert "initContainers" not in pod
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,  # not in the standard, but imposed by many clusters
        "capabilities": {"drop": ["ALL"]},
    }
    assert all("hostPort" not in port for port in container["ports"])


def test_the_pod_is_for_the_newest_semester(pod: dict[str, Any], request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--semester"):
        pytest.skip("the file names an image of the newest semester, and --semester asks for another one")
    course = request.getfixturevalue("semester").course
    assert pod["containers"][0]["image"] == f"{course.slug}:{course.semester}-cuda"


def test_what_is_mounted_exists(manifest: dict[str, dict[str, Any]], pod: dict[str, Any]) -> None:
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == volumes.keys()
    claim = volumes["home"]["persistentVolumeClaim"]["claimName"]
    assert claim == manifest["PersistentVolumeClaim"]["metadata"]["name"]


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


def docker_options(pod: dict[str, Any], folder: Path, token: str) -> list[str]:
    """Return the pod's settings in docker's words; what it mounts lies in `folder`, owned as by the kubelet."""
    common, (container,) = pod["securityContext"], pod["containers"]
    options = [f"--user={common['runAsUser']}:{common['runAsGroup']}", f"--group-add={common['fsGroup']}"]
    options += [f"--cap-drop={name}" for name in container["securityContext"]["capabilities"]["drop"]]
    options += ["--security-opt=no-new-privileges", "--read-only"]
    options += [f"--env={each['name']}={each['value']}" for each in container["env"]]
    options += ["--env=KUBERNETES_SERVICE_HOST=10.96.0.1"]

    sources = {volume["name"]: volume for volume in pod["volumes"]}
    for mount in container["volumeMounts"]:
        source, target = sources[mount["name"]], mount["mountPath"]
        if "emptyDir" in source:
            options += [f"--tmpfs={target}:mode=1777,exec"]
            continue
        host = folder / mount["name"]
        host.mkdir()
        if "secret" in source:
            (host / "token").write_text(token)
            own(host / "token", common["fsGroup"], source["secret"]["defaultMode"])
        else:
            own(host, common["fsGroup"], 0o2775)
        options += [f"--volume={host}:{target}{':ro' if mount.get('readOnly') else ''}"]
    return options


def own(path: Path, group: int, mode: int) -> None:
    os.chown(path, 0, group)
    path.chmod(mode)
