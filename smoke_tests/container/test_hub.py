"""A real JupyterHub starts the image for a user, in both ways that hubs are set up."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import yaml

from smoke_tests.container.docker import Container
from smoke_tests.container.hub import OURS, Browser, Hub, new_hub
from smoke_tests.jupyter import Jupyter

if TYPE_CHECKING:
    from practicum.semester.description import Semester

LOOPBACK_IN_HEX = "0100007F"  # 127.0.0.1 as the kernel's tables write it
CELL = "import getpass, os; print(getpass.getuser(), os.environ['JUPYTERHUB_USER'], os.getcwd())"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """Return a hub to be started."""
    for module in ("jupyterhub", "dockerspawner"):
        pytest.importorskip(module, reason=f"{module} is not in this Python: make venv")
    proxy = shutil.which("configurable-http-proxy")
    if proxy is None:
        pytest.skip("configurable-http-proxy is not on this machine: apt-get install node-configurable-http-proxy")
    with new_hub(tmp_path, proxy) as hub:
        yield hub


def test_hub_runs_the_command_of_the_image(hub: Hub, cpu_image: str, semester: Semester) -> None:
    """`cmd: null` in Zero to JupyterHub, no `cmd` for DockerSpawner; in the end the user stops the server."""
    hub.start(cpu_image, None)
    browser = check_server(hub, semester.course.slug)
    proxy = Path(f"/proc/{hub.proxy_pid()}")

    assert browser.call("DELETE", f"users/{hub.user}/server").status_code in (202, 204)
    hub.wait(lambda: not hub.has_container(), "the container of a stopped server is removed")
    assert hub.stop() == 0, hub.said()
    assert not proxy.exists()
    assert not listening(*hub.ports)


def test_hub_runs_jupyterhub_singleuser(hub: Hub, cpu_image: str, semester: Semester) -> None:
    """A hub that names the command; in the end it is stopped itself, with the server running."""
    hub.start(cpu_image, ["jupyterhub-singleuser"])
    check_server(hub, semester.course.slug)

    assert hub.stop() == 0, hub.said()
    assert not hub.has_container()
    assert not listening(*hub.ports)


def check_server(hub: Hub, folder: str) -> Browser:
    """Log in, look around, find the course's `folder` and run a cell; the browser that did."""
    browser, stranger = (Browser(hub, hub.user, hub.password) for _ in range(2))
    server = f"/user/{hub.user}"
    browser.log_in()
    assert browser.wait_server().url.path.startswith(f"{server}/lab")

    assert browser.get(f"{server}/lab").status_code == 200
    assert browser.get(f"{server}/api").json()["version"]
    assert "index.md" in {entry["name"] for entry in browser.get(f"{server}/api/contents/{folder}").json()["content"]}
    landing = browser.get(f"{server}/api/contents/{folder}/index.md?content=1").json()["content"]
    links = re.findall(r"\]\((/[^)]+)\)", landing)
    assert links and {(link.startswith(server), browser.get(link).status_code) for link in links} == {(True, 200)}

    to_hub = stranger.get(f"{server}/lab", follow=False)
    assert (to_hub.status_code, urlsplit(to_hub.headers["Location"]).path) == (302, "/hub/api/oauth2/authorize")
    assert stranger.get(f"{server}/lab").url.path == "/hub/login"
    assert stranger.get(f"{server}/api/contents").status_code == 403

    with Jupyter(hub.url + server, browser.new_token()).start_kernel() as kernel:
        outcome = kernel.execute(CELL)
    assert outcome.text.split() == ["jovyan", hub.user, "/home/jovyan"], outcome

    Container(hub.container).wait_healthy()
    assert listening(*hub.ports) == {(port, LOOPBACK_IN_HEX) for port in hub.ports}
    return browser


def listening(*ports: int) -> set[tuple[int, str]]:
    """Return the TCP ports among these at which somebody listens on this machine, each with the address."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, port = local.partition(":")
            if state == "0A" and int(port, 16) in ports:
                found.add((int(port, 16), address))
    return found


def test_the_examples_are_for_the_newest_semester(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--semester"):
        pytest.skip("the files name images of the newest semester, and --semester asks for another one")
    course = request.getfixturevalue("semester").course
    values = yaml.safe_load((OURS.parent / "values.yaml").read_text())["singleuser"]["image"]
    assert values == {"name": f"REGISTRY/{course.slug}", "tag": f"{course.semester}-cuda"}
    hub = yaml.safe_load((OURS.parent / "compose.yaml").read_text())["services"]["hub"]
    assert hub["environment"]["COURSE_IMAGE"] == f"${{COURSE_IMAGE:-{course.slug}:{course.semester}-cpu}}"
    assert hub["build"]["args"]["COURSE_IMAGE"] == hub["environment"]["COURSE_IMAGE"]
