"""Containers under test: started with options as a person gives them, asked, and removed whatever happens."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import testinfra
from testinfra.host import Host

import docker as sdk
from practicum.architecture import find_architecture
from smoke_tests.processor import PROCESSORS
from smoke_tests.waiting import PATIENCE, wait_until

LABEL = "practicum.smoke-test"
STOP_DEADLINE = 60
"""Seconds that a container has to stop before docker kills it: what tests assert is why it ended, not when."""

ADDRESS = re.compile(r"(?P<scheme>https?)://127\.0\.0\.1:(?P<port>\d+)(?P<base>/\S*)?/lab(\?token=(?P<token>\w+))?")


def docker(
    *arguments: str, check: bool = True, timeout: float = PATIENCE, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one docker command; with `check`, a failure shows what it said."""
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


def emulator_options(image: str) -> list[str]:
    """docker's options by which QEMU emulates the processor that is meant; none for an image of this machine's own."""
    architecture = find_architecture(inspect(image)["Architecture"])
    return [] if architecture.is_native else [f"--env=QEMU_CPU={PROCESSORS[architecture].model}"]


@functools.cache
def daemon() -> sdk.APIClient:
    """Return the daemon, asked without docker's client program, which costs 0.022 CPU s a call: this costs 0.001."""
    return sdk.from_env(timeout=PATIENCE).api


def inspect(name: str) -> dict[str, Any]:
    """Return what docker knows of an image or a container."""
    with contextlib.suppress(sdk.errors.NotFound):
        container: dict[str, Any] = daemon().inspect_container(name)
        return container
    image: dict[str, Any] = daemon().inspect_image(name)
    return image


@dataclass(frozen=True)
class Container:
    """A container that was started, running or not."""

    id: str

    def exec(
        self,
        command: str | Sequence[str],
        user: str | None = None,
        *,
        check: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, past the entry point; a string is for bash, which is a process too.

        A pattern for pgrep or pkill must not match itself: `[j]upyter`.
        """
        argv = ["bash", "-c", command] if isinstance(command, str) else [*command]
        options = [f"--user={user}"] if user else []
        options += [f"--env={name}={value}" for name, value in (environment or {}).items()]
        # By docker's client program: the library loses output that arrives together with the head of the answer.
        done = docker("exec", *options, self.id, *argv, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    @property
    def stdout(self) -> str:
        return self._read("stdout")

    @property
    def stderr(self) -> str:
        """Where a server writes its log."""
        return self._read("stderr")

    def _read(self, stream: Literal["stdout", "stderr"]) -> str:
        chosen = {"stdout": False, "stderr": False, stream: True}
        told: bytes = daemon().logs(self.id, **chosen)
        return told.decode(errors="replace")

    def logs(self) -> str:
        """Both streams: the server's log, then whatever the command printed."""
        return self.stderr + self.stdout

    @property
    def host(self) -> Host:
        """The container as testinfra sees it."""
        return testinfra.get_host(f"docker://{self.id}")

    @property
    def described(self) -> dict[str, Any]:
        """What docker knows of it."""
        return inspect(self.id)

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.described["State"]
        return state

    @property
    def port(self) -> int:
        """The port of this machine that leads to the server's."""
        ports = self.described["NetworkSettings"]["Ports"]
        ((binding, *_),) = [bindings for bindings in ports.values() if bindings]
        assert binding["HostIp"] == "127.0.0.1", "servers under test listen on loopback only"
        return int(binding["HostPort"])

    @property
    def address(self) -> re.Match[str]:
        """The last address in the log, as the student is told it."""
        found = list(ADDRESS.finditer(self.stderr))
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
        return httpx.get(f"{self.url}{path}", headers=headers, timeout=PATIENCE, trust_env=False, verify=False)

    def is_running(self) -> bool:
        return bool(self.state["Running"])

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Poll until `condition` holds; fail at once when the container ends before."""

        def holds() -> bool:
            if condition():
                return True
            assert self.is_running(), f"the container ended:\n{self.logs()}"
            return False

        wait_until(holds, f"{what}, in {self.id[:12]}")

    def wait_ready(self) -> None:
        """Wait until the log tells the address."""
        self.wait_until(lambda: ADDRESS.search(self.stderr), "JupyterLab's address in the log")

    def health(self) -> str:
        return str(self.state.get("Health", {}).get("Status", "none"))

    def wait_healthy(self) -> None:
        self.wait_until(lambda: self.health() == "healthy", "healthy")

    def wait_ended(self) -> int:
        """Wait for the end of a command and return its exit code; a hang raises requests' ConnectionError."""
        return int(daemon().wait(self.id)["StatusCode"])

    def stop(self) -> tuple[float, int]:
        """`docker stop`: the seconds it took, and the exit code, which is 137 when docker had to kill it."""
        begun = time.monotonic()
        daemon().stop(self.id, timeout=STOP_DEADLINE)
        return time.monotonic() - begun, int(self.state["ExitCode"])


@contextlib.contextmanager
def started(image: str, *options: str, command: Sequence[str] = ()) -> Iterator[Container]:
    """Return a container of `image`, its port published on loopback unless `options` say how it is reached."""
    publish = (
        []
        if any(option.startswith(("-p", "--publish", "--network")) for option in options)
        else ["-p", "127.0.0.1::8888"]
    )
    # Created first: a container whose start fails must be removed as well.
    given = (*cgroup_options(), *emulator_options(image), *publish, *options)
    made = docker("create", "--label", LABEL, *given, image, *command)
    container = Container(made.stdout.strip())
    try:
        daemon().start(container.id)
        yield container
    finally:
        daemon().remove_container(container.id, force=True, v=True)


@contextlib.contextmanager
def idle(image: str, *options: str) -> Iterator[Container]:
    """Return a container of `image` in which nothing runs: to be asked as root, past the entry point."""
    with started(image, "--user=0", "--entrypoint=sleep", *options, command=["infinity"]) as container:
        yield container
