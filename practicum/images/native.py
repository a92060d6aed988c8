"""What is the same on every processor, made by programs of this machine's own instead of in an emulator.

Wheels for another processor are unpacked, and Python is compiled, in a container of this machine's architecture. What
that leaves is copied, or added as a layer, to the image of the other architecture, of which no program runs.
"""

import json
import os
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from practicum.engine.run import read, run
from practicum.images.docker import running
from practicum.images.packer import MOUNT

MINUTES = 600
"""Seconds that a command may take: on a busy machine the longest one takes a tenth of it."""


@dataclass(frozen=True)
class Task:
    """A command in a container. given: a host folder, which it sees as a copy at MOUNT. made: the folder it fills.

    seconds: how long it may take.
    """

    argv: Sequence[str]
    given: Path
    made: str
    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: int = MINUTES


def run_task(image: str, task: Task, target: Path, work: Path) -> None:
    """Run `task` in a container of `image`, and copy what it made to the new folder `target`."""
    with running(image, work) as container:
        read(["docker", "cp", os.fspath(task.given), f"{container}:{MOUNT}"], step="native", timeout=MINUTES)
        read(exec_argv(container, task), step="native", timeout=task.seconds)
        read(["docker", "cp", f"{container}:{task.made}", os.fspath(target)], step="native", timeout=MINUTES)


def exec_argv(container: str, task: Task) -> list[str]:
    """Return the command that runs `task` in a running container."""
    variables = (f"--env={name}={value}" for name, value in task.environment.items())
    return ["docker", "exec", *variables, container, *task.argv]


def take_folder(image: str, place: str, target: Path, work: Path) -> None:
    """Copy the folder `place` of `image` to the new folder `target` of the host."""
    with running(image, work) as container:
        read(["docker", "cp", f"{container}:{place}", os.fspath(target)], step="native", timeout=MINUTES)


def graft(source: str, base: str, tag: str, work: Path) -> None:
    """Make the image `tag`: `base`, and the uppermost layer of the image `source` on it, which only adds files.

    No container runs, so that `base` may be of any architecture, which the new image has, too.
    """
    folder = work / "graft"
    folder.mkdir()
    saved, log = folder / "saved.tar", work / "graft.log"
    run(["docker", "save", f"--output={saved}", source], step="native", log=log)
    take_top_layer(saved, folder / "layer.tar")
    saved.unlink()
    (folder / "Dockerfile").write_text(f"FROM {base}\nADD layer.tar /\n")
    run(
        ["docker", "build", "--quiet", "--force-rm", f"--tag={tag}", os.fspath(folder)], step="native", log=log,
        env={"DOCKER_BUILDKIT": "0"},  # only the classic builder is in every docker
    )  # fmt: skip
    shutil.rmtree(folder)


def take_top_layer(saved: Path, layer: Path) -> None:
    """Write the uppermost layer of the image of `saved`, a file of `docker save`, to `layer`."""
    with tarfile.open(saved) as image:
        described = image.extractfile("manifest.json")
        assert described is not None
        content = image.extractfile(json.load(described)[0]["Layers"][-1])
        assert content is not None
        with layer.open("wb") as out:
            shutil.copyfileobj(content, out, 1 << 20)
