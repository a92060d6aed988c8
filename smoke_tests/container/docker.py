"""Containers under test: started with options as a person gives them, asked, and removed whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import testinfra
from testinfra.host import Host

LABEL = "practicum.smoke-test"
READY_TIMEOUT = 90.0
"""Seconds until JupyterLab's address is in the log: a few on idle cores, many on busy ones."""

ADDRESS = re.compile(r"(?P<scheme>https?)://127\.0\.0\.1:(?P<port>\d+)(?P<base>/\S*)?/lab(\?token=(?P<token>\w+))?")


def docker(
    *arguments: str, check: bool = True, timeout: float = 120, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs one docker command; with `check`, a failure shows what it said."""
    program = shutil.which("docker") or "docker"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=timeout, input=stdin)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done


def cgroup_options() -> list[str]:
    """docker's options that put a container into the proof's own cgroup, which PROOF_CGROUP names; none without it.

    There its processor time is counted, and on a busy host it does not share one weight with all other containers.
    """
    group = os.environ.get("PROOF_CGROUP")
    return [f"--cgroup-parent={group}"] if group else []


def inspect(name: str) -> dict[str, Any]:
    """What docker knows of an image or a container."""
    described: dict[str, Any] = json.loads(docker("inspect", name).stdout)[0]
    return described


def wait_until(condition: Callable[[], object], seconds: float, what: str, pause: float = 0.1) -> None:
    """Polls until `condition` holds; fails after `seconds`, saying `what` did not happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(pause)


@dataclass(frozen=True)
class Container:
    """A container that was started, running or not."""

    id: str

    def exec(
        self, command: str | Sequence[str], user: str | None = None, *, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command inside, past the entry point; a string is for bash.

        The shells that run it are processes too: a pattern for pgrep or pkill must not match itself, `[j]upyter`.
        """
        argv = ["bash", "-c", command] if isinstance(command, str) else [*command]
        done = self.host_as(user).run(shlex.join(argv))
        assert not check or done.rc == 0, f"{command}: {done.stdout}{done.stderr}"
        return subprocess.CompletedProcess(argv, done.rc, done.stdout, done.stderr)

    def logs(self) -> str:
        """Both streams: the server's log, then whatever the command printed."""
        told = docker("logs", self.id)
        return told.stderr + told.stdout

    @property
    def host(self) -> Host:
        return self.host_as(None)

    def host_as(self, user: str | None) -> Host:
        """The container as testinfra sees it, asked by `user` ("uid" or "uid:gid") or the image's own."""
        who = f"{user}@" if user else ""
        return testinfra.get_host(f"docker://{who}{self.id}")

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = inspect(self.id)["State"]
        return state

    @property
    def port(self) -> int:
        """The port of this machine that leads to the server's."""
        ports = inspect(self.id)["NetworkSettings"]["Ports"]
        ((binding, *_),) = [bindings for bindings in ports.values() if bindings]
        assert binding["HostIp"] == "127.0.0.1", "servers under test listen on loopback only"
        return int(binding["HostPort"])

    @property
    def address(self) -> re.Match[str]:
        """The last address in the log, as the student is told it."""
        found = list(ADDRESS.finditer(self.logs()))
        assert found, f"no address in the log:\n{self.logs()}"
        return found[-1]

    @property
    def token(self) -> str:
        return self.address["token"] or ""

    @property
    def url(self) -> str:
        """Where this machine reaches the server, base URL included, without a slash at the end."""
        return f"{self.address['scheme']}://127.0.0.1:{self.port}{self.address['base'] or ''}"

    def get(self, path: str, token: str | None = None, **headers: str) -> httpx.Response:
        """GET below the server's address; with the log's token unless another one, or "", is given."""
        token = self.token if token is None else token
        if token:
            headers["Authorization"] = f"token {token}"
        # Self-signed certificates are what GEN_CERT is about.
        return httpx.get(f"{self.url}{path}", headers=headers, timeout=30, trust_env=False, verify=False)

    def is_running(self) -> bool:
        return bool(self.state["Running"])

    def wait_ready(self, timeout: float = READY_TIMEOUT) -> None:
        """Waits until the log tells the address; fails at once when the container ends before."""

        def told() -> bool:
            if ADDRESS.search(self.logs()):
                return True
            assert self.is_running(), f"the container ended:\n{self.logs()}"
            return False

        wait_until(told, timeout, f"JupyterLab's address in the log of {self.id[:12]}")

    def health(self) -> str:
        return str(self.state.get("Health", {}).get("Status", "none"))

    def wait_healthy(self, timeout: float = 60) -> None:
        wait_until(lambda: self.health() == "healthy", timeout, "healthy")

    def wait_ended(self, timeout: float = 30) -> int:
        """Waits for the end of a command and returns its exit code."""
        wait_until(lambda: not self.is_running(), timeout, "the end of the container")
        return int(self.state["ExitCode"])

    def stop(self) -> tuple[float, int]:
        """`docker stop`: the seconds it took, and the exit code."""
        begun = time.monotonic()
        docker("stop", self.id)
        return time.monotonic() - begun, int(self.state["ExitCode"])


@contextlib.contextmanager
def started(image: str, *options: str, command: Sequence[str] = ()) -> Iterator[Container]:
    """A container of `image`, its port published on loopback unless `options` say how it is reached."""
    publish = (
        []
        if any(option.startswith(("-p", "--publish", "--network")) for option in options)
        else ["-p", "127.0.0.1::8888"]
    )
    # Created first: a container whose start fails must be removed as well.
    made = docker("create", "--label", LABEL, *cgroup_options(), *publish, *options, image, *command)
    container = Container(made.stdout.strip())
    try:
        docker("start", container.id)
        yield container
    finally:
        docker("rm", "--force", "--volumes", container.id)
