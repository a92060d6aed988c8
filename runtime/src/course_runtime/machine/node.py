"""A server on a node that many share: how its user reaches it, and a token that only this user can read.

Slurm writes the log to a file that the user's umask may open to everybody.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from course_runtime.machine.atomic import write_atomically

BY_APPTAINER = ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")


@dataclass(frozen=True)
class Node:
    """The computer that runs the server. login: from where the job was sent, "" if it is no job. job: its number."""

    name: str
    login: str
    job: str

    def describe_tunnel(self, port: int) -> str:
        """Return the command that brings the port to the user's own computer."""
        jump = f" -J {self.login}" if self.login else ""
        return f"ssh -N -L {port}:localhost:{port}{jump} {self.name}"


def find_node(environ: Mapping[str, str]) -> Node | None:
    """Return the node, None where Docker, Podman or Kubernetes started the container."""
    job = environ.get("SLURM_JOB_ID", "")
    if not job and not any(environ.get(name) for name in BY_APPTAINER):
        return None
    name = environ.get("SLURMD_NODENAME") or socket.gethostname()
    login = environ.get("SLURM_SUBMIT_HOST", "LOGIN_NODE") if job else ""
    return Node(name, "" if login == name else login, job)


def find_token_file(node: Node, home: Path) -> Path:
    """Return where the token lies: in the home, which the login node sees, too."""
    return home / f".course-token-{node.job or node.name}"


def keep_token(token: str, path: Path) -> bool:
    """Write the token for its user alone; return whether that was possible."""
    try:
        write_atomically(path, f"{token}\n".encode(), mode=0o600)
    except OSError:
        return False
    return True
