"""What can be asked of a running machine over the network: JupyterLab's port, and commands over ssh."""

from __future__ import annotations

import json
import shlex
from abc import ABC, abstractmethod
from dataclasses import dataclass

import httpx
import paramiko

PATIENCE = 1200.0
"""Seconds, a net: an emulated machine on a busy host answers late."""


@dataclass(frozen=True)
class Done:
    """A command that ended, in a machine or of a tool."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


SERVE = """
import json, subprocess, sys
for line in sys.stdin:
    done = subprocess.run(["/bin/sh", "-c", json.loads(line)], stdin=subprocess.DEVNULL, capture_output=True)
    said = [each.decode(errors="replace") for each in (done.stdout, done.stderr)]
    print(json.dumps([done.returncode, *said]), flush=True)
"""
"""Runs shell scripts that come in, one as JSON a line."""


class RootShell:
    """A program that runs scripts as root: in an emulated machine each `sudo` costs more than a CPU second."""

    def __init__(self, client: paramiko.SSHClient, password: str) -> None:
        command = f"sudo --stdin --prompt= -- /usr/bin/python3 -ISc {shlex.quote(SERVE)}"
        self._pipe, self._out, self._err = client.exec_command(command)
        self._pipe.write(password + "\n")

    def run(self, script: str, timeout: float) -> Done:
        """Run a script to its end."""
        self._out.channel.settimeout(timeout)
        self._pipe.write(json.dumps(script) + "\n")
        self._pipe.flush()
        if not (line := self._out.readline()):
            return Done(self._out.channel.recv_exit_status(), "", self._err.read().decode(errors="replace"))
        return Done(*json.loads(line))


class Guest(ABC):
    """A machine with JupyterLab and ssh at two ports of this host's loopback address."""

    name: str
    user: str
    http_port: int
    ssh_port: int
    _client: paramiko.SSHClient | None = None
    _root: RootShell | None = None

    @property
    @abstractmethod
    def code(self) -> str:
        """The access code: JupyterLab's token, and the user's password."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def http(
        self,
        path: str,
        token: str | None = None,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: object = None,
    ) -> httpx.Response:
        """One request on a connection of its own; redirects are not followed."""
        sent = dict(headers or {}) | ({"Authorization": f"token {token}"} if token else {})
        with httpx.Client(base_url=self.url, trust_env=False, timeout=PATIENCE) as client:
            return client.request(method, path, headers=sent, json=body)

    def ssh(self, user: str | None = None, password: str | None = None) -> paramiko.SSHClient:
        """Return a new ssh connection, by default as the student; raise paramiko.AuthenticationException if refused."""
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            "127.0.0.1",
            self.ssh_port,
            user or self.user,
            password or self.code,
            allow_agent=False,
            look_for_keys=False,
            timeout=PATIENCE,
            banner_timeout=PATIENCE,
            auth_timeout=PATIENCE,
        )
        return client

    def run(self, command: str, *, stdin: str = "", timeout: float = PATIENCE) -> Done:
        """Run a shell command as the student."""
        pipe, out, err = self._connect().exec_command(command, timeout=timeout)
        pipe.write(stdin)
        pipe.channel.shutdown_write()
        stdout, stderr = out.read().decode(errors="replace"), err.read().decode(errors="replace")
        return Done(out.channel.recv_exit_status(), stdout, stderr)

    def run_as_root(self, script: str, *, timeout: float = PATIENCE) -> Done:
        """Run a shell script as root, which the student's own password allows."""
        if self._root is None:
            self._root = RootShell(self._connect(), self.code)
        return self._root.run(script, timeout)

    def sudo(self, script: str, *, timeout: float = PATIENCE) -> str:
        """Run a shell script as root that stops at what fails; its standard output. Fails when it fails."""
        done = self.run_as_root(f"set -eu\n{script}", timeout=timeout)
        assert done.returncode == 0, f"{self.name}: as root, {script} ended with {done.returncode}:\n{done.output}"
        return done.stdout

    def _connect(self) -> paramiko.SSHClient:
        if self._client is None:
            self._client = self.ssh()
        return self._client

    def hang_up(self) -> None:
        """Close the connection that `run` and `run_as_root` keep open."""
        if self._client is not None:
            self._client.close()
            self._client = self._root = None
