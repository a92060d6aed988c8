"""The pods of docker/kubernetes, and docker's options for what the kubelet would do with one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[2] / "docker/kubernetes"

# What the Pod Security Standard "restricted" lets a pod mount.
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


def render(name: str) -> dict[str, dict[str, Any]]:
    """Return by kind what `kubectl apply -k docker/kubernetes/NAME` would send; skip where there is no kubectl."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not on this machine: install it as Kubernetes' documentation says")
    done = subprocess.run([program, "kustomize", str(FOLDER / name)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {each["kind"]: each for each in yaml.safe_load_all(done.stdout)}


def require_restricted(pod: dict[str, Any]) -> None:
    """Fail unless a namespace that enforces the Pod Security Standard "restricted" takes this pod."""
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
    assert all("hostPort" not in port for port in container.get("ports", []))


def docker_options(pod: dict[str, Any], folder: Path, token: str = "") -> list[str]:
    """Return the pod's settings in docker's words; what it mounts lies in `folder`, owned as by the kubelet."""
    common, (container,) = pod["securityContext"], pod["containers"]
    options = [f"--user={common['runAsUser']}:{common['runAsGroup']}", f"--group-add={common['fsGroup']}"]
    options += [f"--cap-drop={name}" for name in container["securityContext"]["capabilities"]["drop"]]
    options += ["--security-opt=no-new-privileges", "--read-only"]
    options += [f"--env={each['name']}={each['value']}" for each in container.get("env", [])]
    options += ["--env=KUBERNETES_SERVICE_HOST=10.96.0.1"]

    sources = {volume["name"]: volume for volume in pod["volumes"]}
    for mount in container["volumeMounts"]:
        source, target = sources[mount["name"]], mount["mountPath"]
        if "emptyDir" in source:
            options += [f"--tmpfs={target}:mode=1777,exec"]
            continue
        host = folder / mount["name"]
        host.mkdir(exist_ok=True)
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
