"""JupyterHub with its proxy and one user's container, all on 127.0.0.1 only, and a browser in front of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import httpx

from smoke_tests.container.docker import docker
from smoke_tests.qemu import pick_ports
from smoke_tests.waiting import PATIENCE, wait_until

CONFIG = Path(__file__).with_name("jupyterhub_config.py")
OURS = Path(__file__).resolve().parents[2] / "docker/hub/jupyterhub_config.py"
TIMEOUT = PATIENCE  # for any single thing: on idle cores each takes less than ten seconds
LOOPBACK = "127.0.0.1"
NODE_MODULES = "/usr/share/nodejs"
"""Debian's own node finds Debian's modules by itself, another node that is first in the path does not."""


class Hub:
    """A started hub; `user` may log in with `password`, and gets the container `container`."""

    user = "ada"

    def __init__(self, work: Path, proxy: str) -> None:
        self.work, self.proxy = work, proxy
        self.port, self.proxy_api_port, self.hub_port, self.server_port = self.ports = pick_ports(4)
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.password = secrets.token_urlsafe(24)
        self.container = f"smoke-hub-{secrets.token_hex(4)}"
        self.log = work / "hub.log"
        self.process: subprocess.Popen[bytes] | None = None
        # Made once and without authorities to trust, which take long to read: all of it is on loopback.
        self.client = httpx.Client(base_url=self.url, trust_env=False, timeout=TIMEOUT, verify=False)

    def start(self, image: str, command: list[str] | None) -> None:
        """`command` is what the hub runs in the container: None, the image's own."""
        settings = {
            "config": str(OURS),
            "url": self.url,
            "hub_url": f"http://{LOOPBACK}:{self.hub_port}",
            "proxy_api_url": f"http://{LOOPBACK}:{self.proxy_api_port}",
            "proxy": self.proxy,
            "server_port": self.server_port,
            "user": self.user,
            "password": self.password,
            "image": image,
            "container": self.container,
            "command": command,
            "timeout": TIMEOUT,
        }
        (self.work / "settings.json").write_text(json.dumps(settings))
        with self.log.open("wb") as log:
            # Asked to end when the tests die, the hub still stops its proxy and removes its container.
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "jupyterhub", "--config", str(CONFIG)],
                cwd=self.work,
                env={**os.environ, "NODE_PATH": NODE_MODULES},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.wait(self._answers, "the hub answers")

    def _answers(self) -> bool:
        try:
            return self.client.get("/hub/health").status_code == 200
        except httpx.TransportError:
            return False

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait until `condition` holds; told with the hub's log if that does not happen."""

        def is_so() -> bool:
            so = bool(condition())
            assert so or (self.process and self.process.poll() is None), "the hub has ended"
            return so

        try:
            wait_until(is_so, what, TIMEOUT)
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}\n{self.said()}") from None

    def said(self) -> str:
        """Return the end of the log of the hub and, as long as it is there, of the container."""
        hub = self.log.read_text(errors="replace")[-6000:]
        container = docker("logs", "--tail=60", self.container, check=False)
        return f"{hub}\n-- container\n{container.stdout}{container.stderr}"

    def has_container(self) -> bool:
        return bool(docker("ps", "--all", "--quiet", "--filter", f"name=^/{self.container}$").stdout)

    def proxy_pid(self) -> int:
        """Process of the proxy, from the file that the hub keeps as long as it runs."""
        return int((self.work / "jupyterhub-proxy.pid").read_text())

    def stop(self) -> int:
        """Ask the hub to end, which ends its proxy and its container too; the exit code."""
        assert self.process
        self.process.terminate()
        return self.process.wait(TIMEOUT)

    def clear(self) -> None:
        """End what is left of it, by force; nothing is left after an orderly stop."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(self.proxy_pid(), signal.SIGKILL)
        if self.process:
            self.process.kill()
            self.process.wait()
        docker("rm", "--force", "--volumes", self.container, check=False)
        docker("volume", "rm", "--force", self.container, check=False)


@contextlib.contextmanager
def new_hub(work: Path, proxy: str) -> Iterator[Hub]:
    """Return a hub to be started in the folder `work`; whatever happens, nothing of it outlives the block."""
    hub = Hub(work, proxy)
    try:
        yield hub
    finally:
        try:
            if hub.process and hub.process.poll() is None:
                hub.stop()
        finally:
            hub.clear()


class Running(Protocol):
    """A hub that listens at `url`, wherever it runs."""

    url: str

    def wait(self, condition: Callable[[], object], what: str) -> None: ...

    def said(self) -> str: ...


class Browser:
    """What a user's browser does. It asks for `host`, as at a hub that has a name and stands behind a web server."""

    def __init__(self, hub: Running, user: str, password: str, host: str = "hub.course.test") -> None:
        self.hub, self.user, self.password = hub, user, password
        self.client = httpx.Client(
            base_url=hub.url,
            headers={"Host": host},
            follow_redirects=True,
            trust_env=False,
            timeout=TIMEOUT,
            verify=False,
        )

    def get(self, path: str, *, follow: bool = True) -> httpx.Response:
        return self.client.get(path, follow_redirects=follow)

    def log_in(self) -> httpx.Response:
        """Fill in the form of the login page; where that leads."""
        return self._fine(self.send("/hub/login", username=self.user, password=self.password))

    def send(self, page: str, **fields: str) -> httpx.Response:
        """Fill in the form of `page`; the answer, whatever it is."""
        form = self.get(page)
        (xsrf,) = set(re.findall(r'name="_xsrf" value="([^"]+)"', form.text))
        return self.client.post(str(form.url), data={**fields, "_xsrf": xsrf})

    def wait_server(self) -> httpx.Response:
        """Look at the page of a starting server until it leads to the server."""
        pages: list[httpx.Response] = []

        def is_there() -> bool:
            pages.append(self._fine(self.get(f"/hub/spawn-pending/{self.user}")))
            return pages[-1].url.path.startswith(f"/user/{self.user}/")

        self.hub.wait(is_there, "the user's server starts")
        return pages[-1]

    def call(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Return a request to the hub's API, as the pages of the hub send it."""
        xsrf = self.client.cookies.get("_xsrf", path="/hub/") or ""
        return self.client.request(method, f"/hub/api/{path}", headers={"X-XSRFToken": xsrf}, json=body)

    def new_token(self) -> str:
        """Return a token of the user, as the hub's page "Token" makes them."""
        made = self.call("POST", f"users/{self.user}/tokens", {"note": "smoke test", "expires_in": 3600})
        return str(self._fine(made).json()["token"])

    def _fine(self, answer: httpx.Response) -> httpx.Response:
        assert answer.is_success, f"{answer.request.method} {answer.url}: {answer}\n{self.hub.said()}"
        return answer
