"""The Jupyter servers of this user, found through the notes that they leave in the runtime folder."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from course_runtime.machine.machine import Machine


@dataclass(frozen=True)
class Server:
    """A Jupyter server that runs; `base` begins and ends with a slash."""

    pid: int
    port: int
    base: str
    secure: bool

    @property
    def url(self) -> str:
        """Its address in this container."""
        return f"{'https' if self.secure else 'http'}://127.0.0.1:{self.port}{self.base}"


def find_runtime(environ: Mapping[str, str]) -> Path:
    """Return the folder in which Jupyter keeps sockets and notes."""
    return Path(environ.get("JUPYTER_RUNTIME_DIR") or Path.home() / ".local/share/jupyter/runtime")


def list_servers(machine: Machine, environ: Mapping[str, str] = os.environ) -> list[Server]:
    """Return the servers whose process lives, sorted by its number."""
    servers = []
    for note in find_runtime(environ).glob("jpserver-*.json"):
        try:
            values = json.loads(note.read_bytes())
            server = Server(values["pid"], values["port"], values["base_url"], values["secure"])
        except (OSError, ValueError, TypeError, KeyError):
            continue
        # The note outlives a killed server, and its number may be another process by now.
        if b"jupyter" in read_command(machine, server.pid):
            servers.append(server)
    return sorted(servers, key=lambda server: server.pid)


def read_command(machine: Machine, pid: int) -> bytes:
    """Return the words of a process's command line, with zero bytes between them; empty when it is gone."""
    try:
        return machine.path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def list_ancestors(machine: Machine, pid: int) -> list[int]:
    """Return the processes that started `pid`, itself first."""
    found = []
    while pid > 0 and pid not in found:
        found.append(pid)
        try:
            status = machine.path(f"/proc/{pid}/status").read_text()
        except OSError:
            break
        pid = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:")), 0)
    return found
