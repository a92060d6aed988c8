"""A cluster of three machines with the programs of a real one, and the cpu image as students get it there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from practicum.engine import cache
from smoke_tests.cluster import slurm as real_slurm
from smoke_tests.cluster.documented import APPTAINER, JOBS, SLURM, fill_in, find_command
from smoke_tests.cluster.machine import TOOLS, UID, USER, Machine, boot, join
from smoke_tests.cluster.slurm import Slurm
from smoke_tests.container.conftest import find_image
from smoke_tests.container.docker import inspect
from smoke_tests.container.registries import skopeo
from smoke_tests.sid import Unavailable, prepare_root

if TYPE_CHECKING:
    from practicum.architecture import Architecture
    from practicum.semester.description import Semester

# squashfuse and tzdata are what Apptainer takes for granted; passt is Podman's network, catatonit keeps its pods.
PACKAGES = (
    *("slurm-wlm", "munge", "apptainer", "podman", "uidmap", "fuse-overlayfs", "passt", "crun", "catatonit"),
    *("passwd", "mount", "tzdata", "squashfuse", "iproute2", "openssh-client", "curl", "procps"),
)
SIF = "ee559.sif"
# Apptainer's own choice, gzip at its slowest, takes ten times as long.
FAST = "APPTAINER_MKSQUASHFS_ARGS='-comp zstd -Xcompression-level 3'"


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root folder with the programs of a cluster, which all machines share."""
    try:
        return prepare_root(cache.root() / "cluster", PACKAGES, tools=TOOLS)
    except Unavailable as reason:
        pytest.skip(f"no cluster here: {reason}")


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the machines see as /home."""
    folder = tmp_path_factory.mktemp("homes")
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def home(homes: Path, machines: list[Machine]) -> Path:
    """Return the student's home, as this process sees it."""
    return homes / USER


class Cluster:
    """Starts machines, also a second time under the same name, and ends them."""

    def __init__(self, root: Path, homes: Path, folder: Path) -> None:
        self.root, self.homes, self.folder = root, homes, folder
        self.running: list[Machine] = []

    def boot(self, name: str, number: int) -> Machine:
        machine = boot(self.root, self.folder / f"{name}-{len(self.running)}", name, number, self.homes)
        self.running.append(machine)
        return machine


@pytest.fixture(scope="session")
def cluster(root: Path, homes: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(root, homes, tmp_path_factory.mktemp("machines"))
    yield cluster
    for machine in cluster.running:
        machine.switch_off()


@pytest.fixture(scope="session")
def machines(cluster: Cluster) -> list[Machine]:
    """Start the login machine and two nodes, in one network."""
    machines = [cluster.boot(name, number) for name, number in (("login", 1), ("node1", 11), ("node2", 12))]
    join(machines)
    return machines


@pytest.fixture(scope="session")
def login(machines: list[Machine]) -> Machine:
    return machines[0]


@pytest.fixture(scope="session")
def slurm(machines: list[Machine], tmp_path_factory: pytest.TempPathFactory) -> Slurm:
    return real_slurm.start(machines[0], machines[1:], tmp_path_factory.mktemp("slurm"))


@pytest.fixture(scope="session")
def cpu_image(request: pytest.FixtureRequest, semester: Semester, architecture: Architecture) -> str:
    """Return the name of the image for machines without a GPU."""
    return find_image(request, semester, architecture, "cpu")


def read_build_command() -> str:
    """Return the page's command that makes Apptainer's file of the archive, for the cpu image."""
    return fill_in(find_command(APPTAINER, "apptainer build"), {"cuda": "cpu"})


@pytest.fixture(scope="session")
def archive(home: Path, cpu_image: str) -> Path:
    """Write the image as one file to the student's home, with zstd layers, as `practicum archive` does."""
    path = home / read_build_command().rpartition("oci-archive:")[2]
    skopeo("copy", "--dest-compress-format=zstd", f"docker-daemon:{cpu_image}", f"oci-archive:{path}:{cpu_image}")
    os.chown(path, UID, UID)
    return path


@pytest.fixture(scope="session")
def sif(request: pytest.FixtureRequest, login: Machine, home: Path, cpu_image: str) -> Path:
    """Apptainer's file in the student's home, made by the page's line; kept in the cache until the image changes."""
    kept = cache.root() / "cluster" / f"{inspect(cpu_image)['Id'].removeprefix('sha256:')[:16]}.sif"
    if not kept.exists():
        request.getfixturevalue("archive")
        login.succeed(f"export {FAST}; {read_build_command()}")
        for old in kept.parent.glob("*.sif"):
            old.unlink()
        keep(home / SIF, kept)
    if not (home / SIF).exists():
        keep(kept, home / SIF)
    return home / SIF


@pytest.fixture(scope="session")
def course(login: Machine, sif: Path) -> None:
    """Bring the course's files to the student's home, as each start of the image does."""
    login.succeed(find_command(SLURM, "apptainer run", " true"))
    assert sif.exists()


@pytest.fixture(scope="session")
def jobs(home: Path) -> None:
    """Copy the course's job scripts to the student's home."""
    for script in JOBS.glob("*.sbatch"):
        shutil.copy(script, home)


def keep(source: Path, target: Path) -> None:
    """Copy a file, or share its blocks where the file system can; it appears when it is whole."""
    new = target.with_name(f"{target.name}.new")
    subprocess.run(["cp", "--reflink=auto", "--preserve=mode", source, new], check=True)
    os.chown(new, UID, UID)
    new.rename(target)
