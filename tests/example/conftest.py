"""examples/cs-101 in a folder outside the checkout, and its products."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from practicum.engine import tools
from practicum.engine.errors import PracticumError
from practicum.images.docker import ensure_docker
from smoke_tests.container.docker import Container, started
from smoke_tests.qemu import Machine, extract_disk

ROOT = Path(__file__).parents[2]
IMAGE = "cs101:2027-spring-cpu"
OVA = "dist/2027-spring/cs101-2027-spring.ova"


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The course, nothing of which is built; removed at the end with what was."""
    if os.geteuid() != 0:
        pytest.skip("a build needs root")
    try:
        ensure_docker()
        tools.require("mmdebstrap", "packer", "ansible-playbook")
    except PracticumError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("example")
    yield shutil.copytree(ROOT / "examples/cs-101", folder / "cs-101")
    shutil.rmtree(folder)  # half a gigabyte, which pytest would keep for three runs


@pytest.fixture(scope="session")
def image(course: Path) -> str:
    """The name of its image."""
    assert build(course, "docker") == f"{IMAGE}\n"
    return IMAGE


@pytest.fixture(scope="session")
def ova(course: Path) -> Path:
    """Its appliance."""
    assert build(course, "ova").startswith(f"{course / OVA} ")
    return course / OVA


def build(course: Path, product: str) -> str:
    """Return what `practicum docker` or `practicum ova` prints, outside the checkout."""
    practicum = Path(sys.executable).with_name("practicum")
    done = subprocess.run([practicum, "--course", course, product], cwd="/", capture_output=True, text=True)
    if done.returncode and "check the network" in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def container(image: str) -> Iterator[Container]:
    with started(image) as container:
        container.wait_ready()
        yield container


@pytest.fixture(scope="session")
def machine(ova: Path, course: Path) -> Iterator[Machine]:
    """The appliance after its first boot."""
    if not tools.find("qemu-system-x86_64"):
        pytest.skip("qemu-system-x86_64 is missing: make test-deps installs it")
    disk = extract_disk(ova, course.parent / "disk.raw")
    with Machine(disk, course.parent, ROOT / "build/logs", "example", cpus=1) as booted:
        booted.wait_ready()
        yield booted
