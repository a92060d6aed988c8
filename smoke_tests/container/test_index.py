"""The archive with the images for all processors, in a registry: docker pulls each for its own.

Docker's engine 20.10 knows no zstd, so the layers are packed anew on the way, as docs/cluster.md says for such engines.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from practicum.architecture import Architecture, find_native
from practicum.semester import products
from practicum.semester.description import Semester
from smoke_tests.container.docker import LABEL, cgroup_options, docker, inspect
from smoke_tests.container.registries import skopeo

WHO = "import platform, torch; print(platform.machine(), torch.__version__.partition('+')[0])"


@pytest.fixture
def name(semester: Semester, registry: str, tmp_path: Path) -> Iterator[str]:
    """Name of the index in a registry; no image of that name is left in docker."""
    path = products.archive_path(semester, "cpu", semester.built_for)
    if not path.is_file():
        pytest.fail(f"{path} does not exist: run `practicum archive --product cpu --arch all` first", pytrace=False)
    there = f"{registry}/{semester.course.slug}:cpu"
    unpacked = f"dir:{tmp_path / 'unpacked'}"
    skopeo("copy", "--quiet", "--all", "--dest-decompress", f"oci-archive:{path}", unpacked)
    skopeo("copy", "--quiet", "--all", "--dest-tls-verify=false", unpacked, f"docker://{there}")
    yield there
    with contextlib.suppress(AssertionError):  # nothing was pulled
        docker("image", "rm", there)


@pytest.mark.timeout(3000)
def test_docker_pulls_the_image_of_each_platform(name: str, semester: Semester) -> None:
    """First without saying for which: then it is the one of this machine."""
    docker("pull", "--quiet", name)
    native = find_native()
    assert native and inspect(name)["Architecture"] == native.name
    for architecture in semester.built_for:
        docker("pull", "--quiet", f"--platform={architecture.platform}", name)
        assert inspect(name)["Architecture"] == architecture.name
        assert ask(name, architecture) == [architecture.machine, find_torch(semester, architecture)]


def ask(name: str, architecture: Architecture) -> list[str]:
    """Return what a container of the pulled image says of itself."""
    options = ("--rm", "--label", LABEL, f"--platform={architecture.platform}", "--network=none", *cgroup_options())
    return docker("run", *options, name, "python", "-c", WHO).stdout.split()


def find_torch(semester: Semester, architecture: Architecture) -> str:
    """Return the version of torch that semester.toml names for the CPU image."""
    wanted = [*semester.python.requires, *semester.list_pins(architecture)]
    return [pin.removeprefix("torch==") for pin in wanted if pin.startswith("torch==")][-1]
