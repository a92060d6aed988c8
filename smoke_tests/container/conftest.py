"""The container images under test, and containers of them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from smoke_tests.container.docker import LABEL, Container, docker, started
from smoke_tests.container.registries import serve

if TYPE_CHECKING:
    from practicum.architecture import Architecture
    from practicum.semester.description import Semester

RunContainer = Callable[..., Container]


def find_image(
    request: pytest.FixtureRequest, semester: Semester, architecture: Architecture, kind: Literal["cpu", "cuda"]
) -> str:
    from practicum.semester.settings import name_image

    named = request.config.getoption(f"--{kind}-image")
    name = str(named or name_image(semester, kind, semester.revision, architecture).moving)
    if not docker("image", "ls", "--quiet", name).stdout.strip():
        missing = f"docker has no image {name}: run `make docker` first"
        if request.config.getoption("--skip-missing-image"):
            pytest.skip(missing)
        pytest.fail(missing, pytrace=False)
    return name


@pytest.fixture(scope="session")
def cpu_image(request: pytest.FixtureRequest, semester: Semester, architecture: Architecture) -> str:
    """Name of the image for machines without a GPU."""
    return find_image(request, semester, architecture, "cpu")


@pytest.fixture(scope="session")
def cuda_image(request: pytest.FixtureRequest, semester: Semester, architecture: Architecture) -> str:
    """Name of the image with CUDA."""
    return find_image(request, semester, architecture, "cuda")


@pytest.fixture
def sudo(architecture: Architecture) -> None:
    """Skip what needs sudo where it cannot work."""
    if not architecture.is_native:
        pytest.skip("the emulator of another processor runs sudo without the rights of its owner, root")


@pytest.fixture
def natively(architecture: Architecture) -> None:
    """Skip what is promised of processor time where every instruction is emulated."""
    if not architecture.is_native:
        pytest.skip("under the emulator of another processor all takes many times as long")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Address of a registry on loopback."""
    program = shutil.which("docker-registry")
    if not program:
        pytest.skip("docker-registry is missing: install Debian's package of that name")
    with serve(program, tmp_path) as address:
        yield address


@pytest.fixture
def volume() -> Iterator[str]:
    """Return a home that outlives its containers: to be asked for before them, so that it is removed after them."""
    name = docker("volume", "create", "--label", LABEL).stdout.strip()
    yield name
    docker("volume", "rm", "--force", name)


@pytest.fixture
def run_container(cpu_image: str) -> Iterator[RunContainer]:
    """Start containers that end with the test: `run_container("--read-only", command=["id"], ready=False)`."""
    with contextlib.ExitStack() as stack:

        def run(*options: str, image: str | None = None, command: Sequence[str] = (), ready: bool = True) -> Container:
            container = stack.enter_context(started(image or cpu_image, *options, command=command))
            if ready:
                container.wait_ready()
            return container

        yield run


@pytest.fixture(scope="session")
def server(cpu_image: str) -> Iterator[Container]:
    """JupyterLab as the README starts it, shared by tests that only look."""
    with started(cpu_image, "--shm-size=2g") as container:
        container.wait_ready()
        yield container
