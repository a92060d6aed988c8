"""One Python environment: what runs in the appliance runs in the containers, and is what students have on this machine.

The versions are those of the lock, and the files are the same. So what is proven of torch in one holds for all.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from practicum.architecture import Architecture
from practicum.semester import products
from practicum.semester.description import Semester
from practicum.semester.locks import Variant, find_lock
from practicum.semester.products import VARIANTS
from practicum.wheels.lockfile import read_lock
from smoke_tests.appliance.tree import find_tree
from smoke_tests.container.conftest import find_image
from smoke_tests.container.docker import Container, idle, inspect
from smoke_tests.ext4 import Entry
from smoke_tests.squashfs import hash_file, list_environment

Packages = dict[str, str]
PLACE = "/opt/venv"
REPOSITORY = Path(__file__).resolve().parents[2]

CODE = (
    "import importlib.metadata, json, sysconfig; place = [sysconfig.get_path('purelib')];"
    "print(json.dumps([[d.name, d.version] for d in importlib.metadata.distributions(path=place)]))"
)
LISTING = r"find . -not -type d -printf '%P\t%y %m %s %T@ %l\n'"
"""Everything but folders: path, then type, mode, size in bytes, time of change and the target of a link."""

OF_TORCH = r"find torch -type f \( -name '*.py' -o -path 'torch/lib/*' \) -print0 | xargs -0 sha256sum"


# ---- versions ------------------------------------------------------------------------------------------------------


def name_packages(pairs: list[tuple[str, str]]) -> Packages:
    """Versions by canonical name. The local part says for what a release was built, and each product has its own."""
    return {re.sub(r"[-_.]+", "-", name).lower(): version.partition("+")[0] for name, version in pairs}


@pytest.fixture(scope="module")
def on_disk(disk: Path) -> dict[str, Entry]:
    """Return the environment on the appliance's disk."""
    return list_environment(disk, PLACE)


@pytest.fixture(scope="module")
def machine_packages(on_disk: dict[str, Entry]) -> Packages:
    """Those of the appliance, by the metadata folders on its disk."""
    pattern = re.compile(rf"{PLACE}/lib/python3\.\d+/site-packages/([^/]+)-([^-/]+)\.dist-info")
    found = [match.groups() for path in on_disk if (match := pattern.fullmatch(path))]
    return name_packages(found)  # type: ignore[arg-type]


@contextmanager
def image(
    request: pytest.FixtureRequest, semester: Semester, architecture: Architecture, kind: Variant
) -> Iterator[Container]:
    name = find_image(request, semester, architecture, kind)
    with idle(name, "--network=none", f"--workdir={PLACE}") as container:
        yield container


@pytest.fixture(scope="module")
def cpu(request: pytest.FixtureRequest, semester: Semester, architecture: Architecture) -> Iterator[Container]:
    with image(request, semester, architecture, "cpu") as container:
        yield container


@pytest.fixture(scope="module")
def cuda(request: pytest.FixtureRequest, semester: Semester, architecture: Architecture) -> Iterator[Container]:
    with image(request, semester, architecture, "cuda") as container:
        yield container


@pytest.fixture(scope="module")
def tree(semester: Semester, architecture: Architecture) -> Iterator[Container]:
    """Return what the appliance's disk is written from."""
    with idle(find_tree(semester, architecture), "--network=none", f"--workdir={PLACE}") as container:
        yield container


@pytest.fixture(scope="module")
def cpu_packages(cpu: Container) -> Packages:
    return ask_packages(cpu)


@pytest.fixture(scope="module")
def cuda_packages(cuda: Container) -> Packages:
    return ask_packages(cuda)


def ask_packages(container: Container) -> Packages:
    return name_packages(json.loads(container.exec(["bin/python", "-I", "-c", CODE]).stdout))


def test_appliance_and_cpu_image_have_the_same_packages(machine_packages: Packages, cpu_packages: Packages) -> None:
    assert len(machine_packages) > 100
    assert machine_packages == cpu_packages


def test_cuda_image_has_those_and_cuda(
    cpu_packages: Packages, cuda_packages: Packages, semester: Semester, architecture: Architecture
) -> None:
    """In the versions of the CPU image, but for what semester.toml pins there for this architecture."""
    pinned = {canonicalize_name(Requirement(pin).name) for pin in semester.list_pins(architecture)}
    assert {name for name in cpu_packages if cpu_packages[name] != cuda_packages.get(name)} == pinned
    more = sorted(cuda_packages.keys() - cpu_packages.keys())
    assert more and [name for name in more if not name.startswith(("nvidia-", "cuda-", "triton"))] == []


@pytest.mark.parametrize("kind", VARIANTS)
def test_packages_are_those_of_the_lock(
    kind: Variant, request: pytest.FixtureRequest, semester: Semester, architecture: Architecture
) -> None:
    locked = [(package.name, package.version) for package in read_lock(find_lock(semester, kind, architecture))]
    assert request.getfixturevalue(f"{kind}_packages") == name_packages(locked)


# ---- files ---------------------------------------------------------------------------------------------------------


def list_files(container: Container) -> dict[str, str]:
    return dict(line.split("\t", 1) for line in container.exec(LISTING).stdout.splitlines())


@pytest.fixture(scope="module")
def cpu_files(cpu: Container) -> dict[str, str]:
    return list_files(cpu)


@pytest.fixture(scope="module")
def tree_files(tree: Container) -> dict[str, str]:
    return list_files(tree)


@pytest.fixture(scope="module")
def torch_hashes(cpu: Container) -> dict[str, str]:
    """sha256 of torch's libraries and modules in the cpu image, by path below site-packages."""
    shown = cpu.exec(f"cd lib/python3*/site-packages && {OF_TORCH}").stdout
    hashes = {path: digest for digest, path in (line.split("  ", 1) for line in shown.splitlines())}
    assert "torch/lib/libtorch_cpu.so" in hashes and len(hashes) > 1000
    return hashes


def test_appliance_and_cpu_image_are_made_of_the_same_layers(
    tree: Container, cpu: Container, semester: Semester, architecture: Architecture
) -> None:
    """Up to torch and with it: docker names a layer by the sha256 of all that is in it."""
    common = inspect(products.list_environment(semester, "cpu", architecture)[-1].image)["RootFS"]["Layers"]
    for container in (tree, cpu):
        image = inspect(container.described["Image"])
        assert image["RootFS"]["Layers"][: len(common)] == common


def test_appliance_and_cpu_image_have_the_same_files(
    tree: Container, cpu: Container, tree_files: dict[str, str], cpu_files: dict[str, str]
) -> None:
    """And the layers above change none. A few settings are written for each product: those have the same content."""
    assert len(cpu_files) > 20_000
    assert {path.rpartition("/")[2] for path in cpu_files.keys() ^ tree_files.keys()} == {"course_home.pth"}
    written = sorted(path for path in cpu_files.keys() & tree_files.keys() if cpu_files[path] != tree_files[path])
    ours = re.compile(r"(share|etc)/jupyter/.*|lib/python3[^/]*/site-packages/course_[a-z]+\.pth")
    assert written and all(ours.fullmatch(path) for path in written), written
    assert cpu.exec(["sha256sum", *written]).stdout == tree.exec(["sha256sum", *written]).stdout


def test_disk_has_the_files_of_the_tree(
    disk: Path, on_disk: dict[str, Entry], tree_files: dict[str, str], torch_hashes: dict[str, str]
) -> None:
    """All by mode and size, the libraries of torch by their bytes."""
    found = {
        path.removeprefix(f"{PLACE}/"): (entry.permissions, entry.size)
        for path, entry in on_disk.items()
        if entry.is_file
    }
    told = {path: line.split(" ") for path, line in tree_files.items()}
    wanted = {path: (int(mode, 8), int(size)) for path, (kind, mode, size, *_) in told.items() if kind == "f"}
    assert found == wanted

    (packages,) = {path.partition("/torch/lib/")[0] for path in found if path.endswith("/torch/lib/libtorch_cpu.so")}
    libraries = {path: digest for path, digest in torch_hashes.items() if path.startswith("torch/lib/")}
    assert {path: hash_file(disk, f"{packages}/{path}") for path in libraries} == libraries


def test_students_python_has_the_torch_of_the_image(
    torch_hashes: dict[str, str], request: pytest.FixtureRequest, architecture: Architecture
) -> None:
    if not architecture.is_native:
        pytest.skip("the students' Python on this machine is for its own processor")
    folder = request.config.getoption("--students-python", None) or REPOSITORY / "build/course-venv"
    packages = next(Path(folder).glob("lib/python3*/site-packages"), None)
    if packages is None:
        pytest.skip(f"there is no students' Python in {folder}: practicum venv {folder}")
    missing = [path for path in torch_hashes if not (packages / path).is_file()]
    assert missing == []
    assert {path: hash_path(packages / path) for path in torch_hashes} == torch_hashes


def hash_path(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
