"""What can be asked of a running machine over the network: JupyterLab's port, and commands over ssh."""

from __future__ import annotations

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


class Guest(ABC):
    """A machine with JupyterLab and ssh at two ports of this host's loopback address."""

    name: str
    user: str
    http_port: int
    ssh_port: int
    _client: paramiko.SSHClient | None = None

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
        if self._client is None:
            self._client = self.ssh()
        pipe, out, err = self._client.exec_command(command, timeout=timeout)
        pipe.write(stdin)
        pipe.channel.shutdown_write()
        stdout, stderr = out.read().decode(errors="replace"), err.read().decode(errors="replace")
        return Done(out.channel.recv_exit_status(), stdout, stderr)

    def sudo(self, script: str, *, timeout: float = PATIENCE) -> str:
        """Run a shell script as root, with the student's own password; its standard output. Fails when it fails."""
        command = "sudo --stdin --prompt= -- sh -euc " + "'" + script.replace("'", "'\\''") + "'"
        done = self.run(command, stdin=self.code + "\n", timeout=timeout)
        assert done.returncode == 0, f"{self.name}: sudo {script} ended with {done.returncode}:\n{done.output}"
        return done.stdout

    def hang_up(self) -> None:
        """Close the connection that `run` keeps open."""
        if self._client is not None:
            self._client.close()
            self._client = None
