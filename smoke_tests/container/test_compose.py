"""docker/compose.yaml, with every compose program of this machine."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from smoke_tests.container.docker import Container, docker, inspect
from smoke_tests.jupyter import Jupyter, make_notebook
from smoke_tests.qemu import pick_ports
from smoke_tests.waiting import PATIENCE

FILE = Path(__file__).resolve().parents[2] / "docker" / "compose.yaml"
PROGRAMS = {"docker compose": ["docker", "compose"], "docker-compose": ["docker-compose"]}
GIB = 1 << 30


class Project:
    """What one compose program makes of the file, under a name and at a port of its own."""

    def __init__(self, program: list[str], image: str, folder: Path) -> None:
        self.program = program
        self.files = [FILE, *write_override(folder)]
        self.name = f"smoke-compose-{secrets.token_hex(4)}"
        (self.port,) = pick_ports(1)
        foreign = ("COMPOSE_", "COURSE_")  # what the caller's shell may set for another project
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.settings = {"COURSE_PORT": str(self.port), "COURSE_IMAGE": image, "COURSE_GPU_IMAGE": image}

    def compose(self, *words: str, settings: dict[str, str] | None = None) -> str:
        """Return what compose says; `settings` instead of the project's."""
        argv = [*self.program, "--project-name", self.name, *(f"--file={file}" for file in self.files), *words]
        environment = self.environment | (self.settings if settings is None else settings)
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, f"{' '.join(argv)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def list(self, *kind: str) -> list[str]:
        """Return the project's containers, volumes or networks."""
        label = f"label=com.docker.compose.project={self.name}"
        return docker(*kind, "--quiet", "--filter", label).stdout.split()

    def container(self) -> Container:
        """Return the only container of the project."""
        (container,) = self.list("ps", "--all")
        return Container(container)

    def start(self) -> tuple[Container, Jupyter]:
        """`up` until healthy; the container, and its server by the address that the log tells."""
        self.compose("up", "--detach")
        container = self.container()
        container.wait_healthy()
        assert container.address["port"] == str(self.port), "the address in the log is not the published one"
        return container, Jupyter(container.url, container.token)


def write_override(folder: Path) -> list[Path]:
    """Files that put the services into the proof's own cgroup, when there is one: see cgroup_options()."""
    group = os.environ.get("PROOF_CGROUP")
    if not group:
        return []
    services = {name: {"cgroup_parent": group} for name in yaml.safe_load(FILE.read_text())["services"]}
    path = folder / "cgroup.yaml"
    path.write_text(yaml.safe_dump({"services": services}))
    return [path]


@pytest.fixture(params=list(PROGRAMS))
def project(request: pytest.FixtureRequest, cpu_image: str, tmp_path: Path) -> Iterator[Project]:
    program = PROGRAMS[request.param]
    if not shutil.which(program[0]) or subprocess.run([*program, "version"], capture_output=True).returncode:
        pytest.skip(f"`{request.param}` is not on this machine")
    project = Project(program, cpu_image, tmp_path)
    try:
        yield project
    finally:
        project.compose("--profile", "gpu", "down", "--volumes", "--timeout=5")


def test_the_file_is_for_the_newest_semester(project: Project, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--semester"):
        pytest.skip("the file names images of the newest semester, and --semester asks for another one")
    course = request.getfixturevalue("semester").course
    services = yaml.safe_load(project.compose("--profile", "gpu", "config", settings={}))["services"]
    name = f"{course.slug}:{course.semester}"
    assert {service: told["image"] for service, told in services.items()} == {
        "cpu": f"{name}-cpu",
        "gpu": f"{name}-cuda",
    }


def test_a_gpu_is_reserved_when_it_is_asked_for(project: Project) -> None:
    project.compose("up", "--no-start")
    assert not inspect(project.container().id)["HostConfig"]["DeviceRequests"]
    project.compose("down")

    project.compose("up", "--no-start", "gpu")
    (wanted,) = inspect(project.container().id)["HostConfig"]["DeviceRequests"]
    assert (wanted["Driver"], wanted["Count"], wanted["Capabilities"]) == ("nvidia", -1, [["gpu"]])


def test_a_student_starts_stops_and_goes_on(project: Project) -> None:
    container, jupyter = project.start()
    assert jupyter.client.get("/lab").status_code == 200
    jupyter.save("kept.ipynb", make_notebook("1 + 1")).raise_for_status()

    host, mounts = (inspect(container.id)[key] for key in ("HostConfig", "Mounts"))
    assert host["PortBindings"] == {f"{project.port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(project.port)}]}
    assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges:true"])
    assert host["ShmSize"] == 2 * GIB
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert [(mount["Type"], mount["Destination"]) for mount in mounts] == [("volume", "/home/jovyan")]

    project.compose("down")
    assert (project.list("ps", "--all"), len(project.list("volume", "ls"))) == ([], 1)
    _, jupyter = project.start()
    assert jupyter.load("kept.ipynb")["cells"][0]["source"] == "1 + 1"

    project.compose("down", "--volumes")
    assert [project.list(*kind) for kind in (["ps", "--all"], ["volume", "ls"], ["network", "ls"])] == [[], [], []]
