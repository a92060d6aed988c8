"""What is asked of the docker daemon: which images there are, and what a container of one answers.

A killed build leaves no container behind: see lifetime.py.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from practicum.engine.errors import MissingTool, PracticumError
from practicum.engine.run import read
from practicum.images.lifetime import hold_alive

PATIENCE = 900
"""Seconds for an answer of a container, which may be in an emulator, and to remove gigabytes on a busy host."""


def ensure_docker() -> None:
    """Raise PracticumError when the docker daemon does not answer."""
    try:
        # Not `docker info`: of a dead daemon the client of Debian 12 says only that its template meets a nil pointer.
        read(["docker", "version", "--format", "{{.Server.Version}}"], step="docker", timeout=30)
    except MissingTool:
        raise
    except PracticumError as error:
        raise PracticumError("docker", f"not reachable ({error.reason})", "start it with: make docker-daemon") from None


def image_exists(tag: str) -> bool:
    return bool(read(["docker", "image", "ls", "--quiet", tag], step="docker").strip())


def find_id(tag: str) -> str:
    """Return the id ("sha256:...") of the image called `tag`, "" when there is none."""
    return read(["docker", "image", "ls", "--no-trunc", "--quiet", tag], step="docker").strip()


def remove_nameless(image: str) -> None:
    """Remove the image with this id when it has lost its last name and no container needs it."""
    dangling = read(["docker", "image", "ls", "--no-trunc", "--quiet", "--filter", "dangling=true"], step="docker")
    if image in dangling.split():
        with suppress(PracticumError):  # a container needs it
            read(["docker", "image", "rm", image], step="docker", timeout=PATIENCE)


def remove_image(tag: str) -> None:
    """Remove the image called `tag`, if there is one."""
    if image_exists(tag):
        read(["docker", "image", "rm", "--force", tag], step="docker", timeout=PATIENCE)


def container_argv(image: str, alive: Path, network: str) -> list[str]:
    """Return the command that starts a container of `image` doing nothing until `alive` is free."""
    return [
        "docker", "run", "--detach", "--rm", "--network", network, "--volume", f"{os.fspath(alive)}:/run/alive:ro",
        "--entrypoint", "/usr/bin/flock", image, "--shared", "/run/alive", "/bin/true",
    ]  # fmt: skip


@contextmanager
def running(image: str, work: Path, network: str = "none") -> Iterator[str]:
    """Give the id of an idle container of `image`, on one of docker's networks."""
    with hold_alive(work) as alive:
        container = read(container_argv(image, alive, network), step="docker").strip()
        try:
            yield container
        finally:
            read(["docker", "kill", container], step="docker")


def ask_image(image: str, questions: Mapping[str, Sequence[str]], work: Path) -> dict[str, str]:
    """Return the output of each command of `questions`, run in a container of `image`."""
    with running(image, work) as container:
        return {
            name: read(["docker", "exec", container, *argv], step=f"asking {image}", timeout=PATIENCE)
            for name, argv in questions.items()
        }
