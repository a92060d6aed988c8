"""The image on its way to the machine with the GPU: sent by digest, refused by tag, reported only when it passed."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import registries
from survivors import HANG

ROOT = Path(__file__).parent.parent
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    return tmp_path


def call(checkout: Path, script: str, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    argv = [checkout / "scripts/ci" / script, *words]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY")}
    return subprocess.run(argv, env={**kept, **environment}, capture_output=True, text=True, timeout=HANG, check=False)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Address of a registry on loopback."""
    if not shutil.which("docker-registry") or not shutil.which("skopeo"):
        pytest.skip("docker-registry or skopeo is missing: make test-deps installs both")
    with registries.registry(tmp_path / "registry") as address:
        yield address


def write_archive(path: Path, architectures: Sequence[str] = ("amd64",)) -> str:
    """Writes an OCI archive of an image of one empty layer for each architecture.

    Returns the digest of its image, that of the index where there are several.
    """
    blobs: dict[str, bytes] = {}

    def add(data: bytes, kind: str) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    layer = io.BytesIO()
    tarfile.open(fileobj=layer, mode="w").close()
    diff = f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"
    root = {"type": "layers", "diff_ids": [diff]}
    images = []
    for name in architectures:
        described = {"architecture": name, "os": "linux", "rootfs": root, "config": {}}
        config = add(json.dumps(described).encode(), "config.v1+json")
        manifest = {"schemaVersion": 2, "config": config, "layers": [add(layer.getvalue(), "layer.v1.tar")]}
        image = add(json.dumps(manifest).encode(), "manifest.v1+json")
        images.append({**image, "platform": {"architecture": name, "os": "linux"}})
    if len(images) > 1:
        kind = "application/vnd.oci.image.index.v1+json"
        index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": images}).encode()
        image = add(index, "index.v1+json")
    files = {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [image]}).encode(),
        **blobs,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return str(image["digest"])


@pytest.mark.parametrize(
    ("files", "architectures"),
    [
        (["cuda"], ["amd64"]),
        (["cuda"], ["amd64", "arm64"]),
        (["cuda-amd64"], ["amd64"]),
        (["cuda-amd64", "cuda"], ["amd64", "arm64"]),
    ],
)
def test_candidate_keeps_the_digest_of_its_archive(
    checkout: Path, registry: str, files: list[str], architectures: list[str]
) -> None:
    """That of all architectures, whatever machine sends it; that of one where no other is there."""
    for file in files:
        digest = write_archive(checkout / f"dist/2027-spring/ee559-2027-spring-{file}.oci.tar", architectures)
    settings = checkout / ".config/containers/registries.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
    environment = {"HOME": str(checkout), "TAG": "2027-spring-r1"}
    done = call(checkout, "candidate.sh", "2027-spring", REGISTRY=f"{registry}/ee559", **environment)
    assert done.returncode == 0, done.stderr
    assert (checkout / "build/candidate.txt").read_text() == f"{registry}/ee559@{digest}\n"
    tags = ["skopeo", "list-tags", "--tls-verify=false", f"docker://{registry}/ee559"]
    assert json.loads(subprocess.check_output(tags))["Tags"] == ["2027-spring-r1-candidate-cuda"]


@pytest.mark.parametrize(
    "environment, message",
    [({}, "REGISTRY is not set"), ({"REGISTRY": "127.0.0.1:9/ee559"}, "has 0 archives of a cuda image")],
)
def test_candidate_says_what_is_missing(checkout: Path, environment: dict[str, str], message: str) -> None:
    done = call(checkout, "candidate.sh", "2027-spring", **environment)
    assert done.returncode == 2 and message in done.stderr


@pytest.mark.parametrize("image", ["", "ee559:2027-spring-cuda", "ee559@sha256:abc"])
def test_gpu_refuses_an_image_without_its_digest(checkout: Path, image: str) -> None:
    done = call(checkout, "gpu.sh", IMAGE=image)
    assert done.returncode == 2 and "set IMAGE=NAME@sha256:DIGEST" in done.stderr


@pytest.mark.parametrize("code", [0, 1])
def test_gpu_reports_the_image_only_when_it_passed(checkout: Path, code: int) -> None:
    """docker is a stand-in: a machine with a GPU runs the real one."""
    stub = checkout / "bin/docker"
    stub.parent.mkdir()
    stub.write_text(f'#!/usr/bin/env bash\necho "$*" >>{checkout}/asked\n[[ $1 != run ]] || exit {code}\n')
    stub.chmod(0o755)
    path = f"{stub.parent}:{os.environ['PATH']}"
    done = call(checkout, "gpu.sh", IMAGE=f"registry.example/ee559@{DIGEST}", PATH=path)
    pull, run = (checkout / "asked").read_text().splitlines()
    assert pull == f"pull --quiet registry.example/ee559@{DIGEST}"
    assert "--gpus all" in run and run.endswith("course-verify --require-gpu --json /report/gpu.json")
    assert done.returncode == code
    assert (checkout / "build/report/gpu-image.txt").exists() == (code == 0)
