"""One set of Python packages: what runs in the appliance runs in the containers, of the same versions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from practicum import lock
from practicum.container import KINDS
from practicum.description import Semester
from smoke_tests.container.conftest import find_image
from smoke_tests.container.docker import LABEL, docker
from smoke_tests.squashfs import list_environment

Packages = dict[str, str]

CODE = (
    "import importlib.metadata, json, sysconfig; place = [sysconfig.get_path('purelib')];"
    "print(json.dumps([[d.name, d.version] for d in importlib.metadata.distributions(path=place)]))"
)


def name_packages(pairs: list[tuple[str, str]]) -> Packages:
    """Versions by canonical name. The local part says for what a release was built, and each product has its own."""
    return {re.sub(r"[-_.]+", "-", name).lower(): version.partition("+")[0] for name, version in pairs}


@pytest.fixture(scope="module")
def machine_packages(disk: Path) -> Packages:
    """Those of the appliance, by the metadata folders on its disk."""
    pattern = re.compile(r"/opt/venv/lib/python3\.\d+/site-packages/([^/]+)-([^-/]+)\.dist-info")
    found = [match.groups() for path in list_environment(disk, "/opt/venv") if (match := pattern.fullmatch(path))]
    return name_packages(found)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def image_packages(request: pytest.FixtureRequest, semester: Semester) -> dict[str, Packages]:
    listed = {}
    for kind in KINDS:
        image = find_image(request, semester, kind)
        argv = (
            "--rm",
            "--label",
            LABEL,
            "--network=none",
            "--entrypoint=/opt/venv/bin/python",
            image,
            "-I",
            "-c",
            CODE,
        )
        listed[kind] = name_packages(json.loads(docker("run", *argv).stdout))
    return listed


def test_appliance_and_cpu_image_have_the_same_packages(
    machine_packages: Packages, image_packages: dict[str, Packages]
) -> None:
    assert len(machine_packages) > 100
    assert machine_packages == image_packages["cpu"]


def test_cuda_image_has_those_and_cuda(image_packages: dict[str, Packages]) -> None:
    cpu, cuda = image_packages["cpu"], image_packages["cuda"]
    assert cpu.items() <= cuda.items()
    more = sorted(cuda.keys() - cpu.keys())
    assert more and [name for name in more if not name.startswith(("nvidia-", "cuda-", "triton"))] == []


@pytest.mark.parametrize("kind", KINDS)
def test_packages_are_those_of_the_lock(
    kind: lock.Kind, image_packages: dict[str, Packages], semester: Semester
) -> None:
    locked = [(package.name, package.version) for package in lock.read_lock(lock.find_lock(semester, kind))]
    assert image_packages[kind] == name_packages(locked)
