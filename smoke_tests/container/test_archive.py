"""The image as one file: whole, with zstd layers, fit for a registry without a network, the same when it is back."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from practicum.architecture import Architecture
from practicum.semester import products
from practicum.semester.description import Semester
from smoke_tests.container.docker import LABEL, cgroup_options, docker, idle, inspect
from smoke_tests.container.registries import skopeo

LIMIT = 0.65e9
"""Bytes of the cpu image's archive; the cuda image's, at most 3.1e9, is measured by bench.py."""

# The size of a folder is the file system's. Docker writes the files of /etc into each container.
LISTING = r"""
prune=$(printf ' -o -path %s' /proc /sys /dev /etc/hosts /etc/hostname /etc/resolv.conf)
find / -xdev \( -false $prune \) -prune -o -type d -printf '%y %m %U %G %p\n' -o -printf '%y %m %U %G %s %p %l\n'
"""


@pytest.fixture(scope="module")
def file(semester: Semester, architecture: Architecture, cpu_image: str) -> Path:
    path = products.archive_path(semester, "cpu", [architecture])
    if not path.is_file():
        pytest.fail(f"{path} does not exist: run `practicum archive --product cpu` first", pytrace=False)
    return path


@pytest.fixture(scope="module")
def manifest(file: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(skopeo("inspect", "--raw", f"oci-archive:{file}"))
    return manifest


def test_checksum_fits(file: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", f"{file.name}.sha256"], cwd=file.parent, capture_output=True, text=True
    )
    assert done.stdout == f"{file.name}: OK\n", done.stderr


def test_layers_are_zstd_and_named_after_their_stages(
    file: Path, manifest: dict[str, Any], cpu_image: str, semester: Semester, architecture: Architecture
) -> None:
    layers = manifest["layers"]
    assert {layer["mediaType"] for layer in layers} == {"application/vnd.oci.image.layer.v1.tar+zstd"}
    config = json.loads(skopeo("inspect", "--config", "--raw", f"oci-archive:{file}"))
    described = inspect(cpu_image)
    assert len(layers) == len(config["rootfs"]["diff_ids"]) == len(described["RootFS"]["Layers"])
    made = products.list_layers(products.list_image(semester, "cpu", architecture))
    assert [entry["created_by"] for entry in config["history"]] == [f"practicum {name}" for name in made]
    assert config["config"]["Labels"] == described["Config"]["Labels"]
    assert config["config"]["Entrypoint"] == described["Config"]["Entrypoint"]


def test_size_is_as_promised(file: Path, manifest: dict[str, Any]) -> None:
    assert file.stat().st_size <= LIMIT
    assert sum(layer["size"] for layer in manifest["layers"]) <= LIMIT


def test_registry_without_a_network_takes_it(file: Path, manifest: dict[str, Any], registry: str) -> None:
    there = f"docker://{registry}/ee559:cpu"
    skopeo("copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false", f"oci-archive:{file}", there)
    told = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", there))
    assert told["layers"] == manifest["layers"]
    with httpx.Client(base_url=f"http://{registry}", trust_env=False) as client:
        assert client.get("/v2/ee559/tags/list").json()["tags"] == ["cpu"]


def list_files(image: str) -> list[str]:
    """Return kind, mode, owner, link target and size of every file: the archive's layers were written anew."""
    with idle(image, "--network=none") as asked:
        files = asked.exec(["sh", "-c", LISTING]).stdout.splitlines()
    assert len(files) > 20_000, "two empty listings would be equal"
    return sorted(files)


def test_what_comes_back_runs(file: Path, tmp_path: Path, cpu_image: str) -> None:
    """Unpacked for a docker that knows no zstd, as docs/cluster.md says, it is the image that was packed."""
    name = "practicum-smoke-test:returned"
    skopeo("copy", "--quiet", "--dest-decompress", f"oci-archive:{file}", f"dir:{tmp_path / 'unpacked'}")
    try:
        skopeo("copy", "--quiet", f"dir:{tmp_path / 'unpacked'}", f"docker-daemon:{name}")
        returned, packed = inspect(name), inspect(cpu_image)
        assert list_files(name) == list_files(cpu_image)
        for setting in ("Env", "Entrypoint", "Cmd", "User", "WorkingDir", "Labels", "ExposedPorts"):
            assert returned["Config"][setting] == packed["Config"][setting], setting
        argv = ["run", "--rm", "--label", LABEL, *cgroup_options(), name, "python", "-c", "print(6 * 7)"]
        assert docker(*argv).stdout == "42\n"
    finally:
        with contextlib.suppress(AssertionError):  # it never came that far
            docker("image", "rm", name)
