"""The docker images of the build: Packer and Ansible turn a base image into the environment, and that into the course.

Nothing a killed build does can leave a container: each one's only process waits for a lock on a host file that this
process holds. The kernel frees the lock however the holder ends, the container's process ends, and docker removes the
container.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from practicum.errors import PracticumError
from practicum.lifeline import hold_alive
from practicum.progress import Console
from practicum.run import read, run

MOUNT = "/run/practicum"
"""Where the build container sees the host folders it reads: on a tmpfs in the finished machine, so no trace stays."""


@dataclass(frozen=True)
class Step:
    """One run of Packer. `mounts` maps names below MOUNT to host folders; `variables` go to the Ansible roles."""

    name: str
    base: str
    tag: str
    variables: Mapping[str, Any]
    mounts: Mapping[str, Path] = field(default_factory=dict)
    changes: tuple[str, ...] = ()


def ensure_docker() -> None:
    """Raises PracticumError when the docker daemon does not answer."""
    try:
        # Not `docker info`: of a dead daemon the client of Debian 12 says only that its template meets a nil pointer.
        read(["docker", "version", "--format", "{{.Server.Version}}"], step="docker", timeout=30)
    except PracticumError as error:
        if "missing:" in str(error):
            raise
        raise PracticumError(f"docker is not reachable ({error}); start it with: make docker-daemon") from None


def image_exists(tag: str) -> bool:
    return bool(read(["docker", "image", "ls", "--quiet", tag], step="docker").strip())


def find_id(tag: str) -> str:
    """Returns the id ("sha256:...") of the image called `tag`, "" when there is none."""
    return read(["docker", "image", "ls", "--no-trunc", "--quiet", tag], step="docker").strip()


def remove_nameless(image: str) -> None:
    """Removes the image with this id when it has lost its last name and no container needs it."""
    dangling = read(["docker", "image", "ls", "--no-trunc", "--quiet", "--filter", "dangling=true"], step="docker")
    if image in dangling.split():
        with suppress(PracticumError):  # a container needs it
            read(["docker", "image", "rm", image], step="docker")


def packer_variables(step: Step, alive: Path, variables: Path) -> dict[str, Any]:
    """Returns what packer/variables.pkr.hcl asks for."""
    repository, _, tag = step.tag.rpartition(":")
    return {
        "step": step.name,
        "base_image": step.base,
        "repository": repository,
        "tag": tag,
        "ansible_vars": os.fspath(variables),
        "alive": os.fspath(alive),
        "mounts": {f"{MOUNT}/{name}": os.fspath(folder) for name, folder in step.mounts.items()},
        "changes": list(step.changes),
    }


def packer_argv(templates: Path, variables: Path) -> list[str]:
    return ["packer", "build", "-color=false", f"-var-file={os.fspath(variables)}", os.fspath(templates)]


def packer_environment(scratch: Path) -> dict[str, str]:
    """Returns what makes Packer and Ansible put their droppings where the build's end removes them, in plain text."""
    folders = ("PACKER_CACHE_DIR", "PACKER_CONFIG_DIR", "ANSIBLE_HOME")
    switches = ("CHECKPOINT_DISABLE", "PACKER_NO_COLOR", "ANSIBLE_NOCOLOR")
    return {**dict.fromkeys(folders, os.fspath(scratch)), **dict.fromkeys(switches, "1")}


def build_image(step: Step, root: Path, work: Path, console: Console) -> None:
    """Makes the image `step.tag` with packer/ and ansible/ of the checkout `root`; raises PracticumError."""
    variables = work / "ansible-vars.json"
    variables.write_text(json.dumps({**step.variables, "build_mount": MOUNT}, indent=2))
    packer_vars = work / "packer.pkrvars.json"
    with hold_alive(work) as alive:
        packer_vars.write_text(json.dumps(packer_variables(step, alive, variables), indent=2))
        scratch = work / "scratch"
        scratch.mkdir(exist_ok=True)
        run(
            packer_argv(root / "packer", packer_vars),
            step=step.name,
            log=work / f"{step.name}.log",
            env=packer_environment(scratch),
            cwd=scratch,
            tmp=scratch,
            on_line=lambda line: report_task(line, console),
        )
    if not image_exists(step.tag):
        raise PracticumError(f"{step.name}: packer ended well but left no image {step.tag}; see {work / step.name}.log")


def report_task(line: str, console: Console) -> None:
    """Shows the one kind of line of Packer's and Ansible's output that tells a person where the build is."""
    if "TASK [" in line:
        console.say(line.split("TASK [", 1)[1].split("]")[0])


def container_argv(image: str, alive: Path, network: str) -> list[str]:
    """Returns the command that starts a container of `image` doing nothing until `alive` is free."""
    return [
        "docker", "run", "--detach", "--rm", "--network", network, "--volume", f"{os.fspath(alive)}:/run/alive:ro",
        "--entrypoint", "/usr/bin/flock", image, "--shared", "/run/alive", "/bin/true",
    ]  # fmt: skip


@contextmanager
def running(image: str, work: Path, network: str = "none") -> Iterator[str]:
    """Gives the id of an idle container of `image`, on one of docker's networks."""
    with hold_alive(work) as alive:
        container = read(container_argv(image, alive, network), step="docker").strip()
        try:
            yield container
        finally:
            read(["docker", "kill", container], step="docker")


def ask_image(image: str, questions: Mapping[str, Sequence[str]], work: Path) -> dict[str, str]:
    """Returns the output of each command of `questions`, run in a container of `image`."""
    with running(image, work) as container:
        return {
            name: read(["docker", "exec", container, *argv], step=f"asking {image}", timeout=120)
            for name, argv in questions.items()
        }


def export_tree(image: str, tree: Path, work: Path, selection: Sequence[str] = ()) -> None:
    """Unpacks the root file system of `image`, owners, modes and capabilities included, into the new folder `tree`.

    `selection` is given to tar: `--exclude=PATTERN`, or the names to take alone.
    """
    tree.mkdir()
    with running(image, work) as container:
        pipe = (
            'docker export "$1" | (shift; exec tar --extract --numeric-owner --same-owner --preserve-permissions '
            "--xattrs '--xattrs-include=*' --directory=\"$@\")"
        )
        run(
            ["bash", "-o", "pipefail", "-c", pipe, "export", container, os.fspath(tree), *selection],
            step="disk",
            log=work / "export.log",
        )
