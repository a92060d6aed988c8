"""The page's hub for a class, in Docker: people sign up, are let in, work, and find their files again."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from smoke_tests.cluster.documented import JUPYTERHUB, fill_in, find_command
from smoke_tests.container.docker import docker, inspect
from smoke_tests.container.hub import Browser
from smoke_tests.jupyter import Jupyter
from smoke_tests.qemu import pick_ports
from smoke_tests.waiting import PATIENCE, wait_until

FOLDER = Path(__file__).resolve().parents[2] / "docker/hub"
PROGRAMS = (["docker", "compose"], ["docker-compose"])
REGISTRIES = ("etc/pip.conf", "etc/ssl/certs/ca-certificates.crt")
"""Files by which this machine may reach the package registries: the hub is built with them."""


class Project:
    """The compose project of docker/hub, under a name and at a port of its own."""

    def __init__(self, program: str, image: str, folder: Path) -> None:
        self.program = program
        self.name = f"smoke-hub-{secrets.token_hex(4)}"
        (port,) = pick_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.image = self._prepare(image, folder)
        override = folder / "override.yaml"
        override.write_text(yaml.safe_dump({"services": {"hub": {"build": {"network": "host"}}}}))
        self.environment = {
            **os.environ,
            "COMPOSE_FILE": f"{FOLDER / 'compose.yaml'}:{override}",
            "COMPOSE_PROJECT_NAME": self.name,
            "HUB_NAME": self.name,
            "HUB_PORT": str(port),
            "HUB_ADMIN": "ada",
        }

    def _prepare(self, image: str, folder: Path) -> str:
        """Return the name of the image with this machine's way to the package registries."""
        for file in (name for name in REGISTRIES if Path("/", name).exists()):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(f"/{file}", folder / file)
        (folder / "Dockerfile").write_text(f"FROM {image}\nCOPY etc /etc/\n")
        (folder / "etc").mkdir(exist_ok=True)
        name = f"{self.name}:base"
        docker("build", f"--tag={name}", str(folder))
        return name

    def run(self, line: str) -> str:
        """Return what a line of the page prints, typed in the folder of the compose file."""
        line = line.replace("docker compose", self.program)
        done = subprocess.run(
            ["bash", "-c", line], cwd=FOLDER, env=self.environment, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, f"{line}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout + done.stderr

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait until `condition` holds; told with the hub's log if that does not happen."""
        try:
            wait_until(condition, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()}") from None

    def said(self) -> str:
        return "\n".join(docker("logs", "--tail=60", name, check=False).stderr for name in self.list_containers())

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/hub/health", trust_env=False, timeout=PATIENCE).status_code == 200
        except httpx.TransportError:
            return False

    def find_hub(self) -> str:
        """Return the name of the hub's container: compose's programs spell it differently."""
        (name,) = (one for one in self.list_containers() if re.search("[-_]hub[-_]1$", one))
        return name

    def list_containers(self) -> list[str]:
        return docker("ps", "--all", "--format={{.Names}}", f"--filter=name={self.name}").stdout.split()

    def list_volumes(self) -> list[str]:
        return docker("volume", "ls", "--quiet", f"--filter=name={self.name}").stdout.split()

    def clear(self) -> None:
        """Remove all that the project made."""
        for name in self.list_containers():
            docker("rm", "--force", "--volumes", name, check=False)
        for volume in self.list_volumes():
            docker("volume", "rm", "--force", volume, check=False)
        docker("network", "rm", self.name, check=False)
        docker("image", "rm", "--force", f"{self.name}_hub", f"{self.name}-hub", self.image, check=False)


@pytest.fixture
def project(cpu_image: str, tmp_path: Path) -> Iterator[Project]:
    programs = [
        one
        for one in PROGRAMS
        if shutil.which(one[0]) and not subprocess.run([*one, "version"], capture_output=True).returncode
    ]
    if not programs:
        pytest.skip("neither `docker compose` nor `docker-compose` is on this machine")
    project = Project(" ".join(programs[0]), cpu_image, tmp_path)
    try:
        yield project
    finally:
        project.clear()


def test_a_class_on_one_server(project: Project) -> None:
    project.run(fill_in(find_command(JUPYTERHUB, "compose up"), {"=IMAGE": f"={project.image}"}))
    project.wait(project.answers, "the hub answers")
    (published,) = inspect(project.find_hub())["NetworkSettings"]["Ports"]["8000/tcp"]
    assert published["HostIp"] == "127.0.0.1"

    ada, bob = (Browser(project, user, secrets.token_urlsafe(24)) for user in ("ada", "bob"))
    for one in (ada, bob):
        signed_up = one.send(
            "/hub/signup", username=one.user, signup_password=one.password, signup_password_confirmation=one.password
        )
        assert signed_up.status_code == 200
    assert bob.send("/hub/login", username="bob", password=bob.password).url.path == "/hub/login"  # nobody let him in
    ada.log_in()
    assert ada.get("/hub/authorize/bob").status_code == 200
    bob.log_in()
    assert bob.get("/hub/authorize/bob").status_code == 403
    bob.wait_server()
    with Jupyter(f"{project.url}/user/bob", bob.new_token()).start_kernel() as kernel:
        outcome = kernel.execute(
            "from pathlib import Path; Path('mine').touch(); import torch; print(torch.ones(2).sum())"
        )
    assert outcome.text.split() == ["tensor(2.)"], outcome

    project.run(find_command(JUPYTERHUB, "compose down"))
    assert not project.list_containers()
    assert f"{project.name}-bob" in project.list_volumes()
    kept = docker(
        "run", "--rm", f"--volume={project.name}-bob:/home/jovyan", project.image, "ls", "/home/jovyan"
    ).stdout
    assert "mine" in kept.split()
