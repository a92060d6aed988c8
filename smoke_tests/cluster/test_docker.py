"""The page's lines for a server with Docker, with a name, a port and a volume that nobody else has."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from smoke_tests.cluster.documented import SERVER, fill_in, find_command
from smoke_tests.container.docker import LABEL, Container, docker
from smoke_tests.qemu import pick_ports
from smoke_tests.waiting import PATIENCE

NAME = f"practicum-server-{os.getpid()}"


@pytest.fixture
def container(cpu_image: str) -> Iterator[Container]:
    """Start the container that the page starts, but on a server without a GPU."""
    (port,) = pick_ports(1)
    words = {
        "ee559": NAME,
        " --gpus all": f" --label={LABEL}",
        "127.0.0.1:8888:8888": f"127.0.0.1:{port}:{port} --env=JUPYTER_PORT={port}",
        "IMAGE": cpu_image,
    }
    try:
        yield Container(run(fill_in(find_command(SERVER, "docker run"), words)).strip())
    finally:
        docker("rm", "--force", NAME, check=False)
        docker("volume", "rm", "--force", NAME, check=False)


def run(line: str) -> str:
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_log_has_the_address_to_open(container: Container) -> None:
    container.wait_ready()
    log = run(fill_in(find_command(SERVER, "docker logs"), {"ee559": NAME}))
    told = re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", log)
    assert told, log
    assert httpx.get(told[0], trust_env=False, follow_redirects=True, timeout=PATIENCE).status_code == 200
