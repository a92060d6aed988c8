"""Labels and names of a finished container image.

They add no layer, so that a commit which changes nothing in the image costs no download.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from practicum.engine.progress import Console
from practicum.engine.publish import write_text
from practicum.engine.run import run
from practicum.engine.stage import Stage
from practicum.images.docker import find_id, remove_nameless
from practicum.images.stage import GB, ImageStage

LICENSES = {
    "cpu": "MIT AND BSD-3-Clause AND GPL-2.0-or-later",
    "cuda": "MIT AND BSD-3-Clause AND GPL-2.0-or-later AND LicenseRef-NVIDIA",
}
"""SPDX expressions of what weighs most: ours, PyTorch and Jupyter, Debian, NVIDIA's libraries."""


@dataclass(frozen=True)
class Facts:
    """What the labels say of the semester: its course, its id, Debian's suite and Python's version.

    gpu: what is to be said of the proof on a GPU, "" for nothing.
    """

    title: str
    institution: str
    semester: str
    suite: str
    python: str
    gpu: str = ""


@dataclass(frozen=True)
class Image(Stage):
    """The image with its labels and names.

    variant: "cpu" or "cuda". moving: the name that follows the semester. fixed: the name that stays with a commit, ""
    where files differ from it. revision, created: of the commit, as text and as ISO 8601 time.
    """

    outputs: ClassVar = ("image.json",)
    space: ClassVar = GB // 10
    tools: ClassVar = ("docker",)

    course: ImageStage
    torch: ImageStage
    variant: str
    moving: str
    fixed: str
    revision: str
    created: str
    facts: Facts

    @property
    def title(self) -> str:
        return f"image-{self.variant}"

    def build(self, out: Path, console: Console) -> None:
        torch = json.loads((self.torch.folder / "torch.json").read_text())
        labels = self.list_labels(torch)
        tags = [self.moving, self.fixed] if is_new(self.fixed, console) else [self.moving]
        earlier = find_id(self.moving)
        (out / "Dockerfile").write_text(f"FROM {self.course.image}\n")
        run(
            label_argv(out, tags, labels), step=self.name, log=out / "image.log",
            env={"DOCKER_BUILDKIT": "0"},  # only the classic builder is in every docker, and this needs no more
        )  # fmt: skip
        remove_nameless(earlier)
        record = {"id": find_id(self.moving), "tags": tags, "labels": labels}
        write_text(out / "image.json", json.dumps(record, indent=1))
        console.say(" and ".join(tags))

    def still_there(self, folder: Path) -> bool:
        return bool(find_id(self.moving) == json.loads((folder / "image.json").read_text())["id"])

    def list_labels(self, torch: Mapping[str, Any]) -> dict[str, str]:
        """Return the labels: those of the OCI image specification, then what a cluster may choose by.

        torch: what torch said of itself (recipes/wheels.py).
        """
        facts, has_torch = self.facts, bool(torch["torch"])
        standard = {
            "title": f"{facts.title}, {'CUDA' if self.variant == 'cuda' else 'CPU'}",
            "description": f"JupyterLab{', PyTorch' * has_torch} and the content of {facts.title}, {facts.semester}",
            "vendor": facts.institution,
            "version": facts.semester,
            "revision": self.revision,
            "created": self.created,
            "licenses": LICENSES[self.variant],
        }
        computes = {
            "torch": torch["torch"],
            "cuda": torch["cuda"] or "none",
            "architectures": " ".join(torch["architectures"]) or "none",
        }
        own = {
            "debian": facts.suite,
            "python": facts.python,
            **(computes if has_torch else {}),
            **({"gpu": facts.gpu} if facts.gpu else {}),
        }
        return {
            **{f"org.opencontainers.image.{name}": value for name, value in standard.items()},
            **{f"practicum.{name}": value for name, value in own.items()},
        }


def is_new(fixed: str, console: Console) -> bool:
    """Whether the image gets the name of a commit: one that was given before stays where it is."""
    if not fixed:
        console.say("no commit has these files: the image gets no name that stays")
    elif find_id(fixed):
        console.say(f"{fixed} was built before and stays what it was")
        return False
    return bool(fixed)


def label_argv(folder: Path, tags: Sequence[str], labels: Mapping[str, str]) -> list[str]:
    """Return the command that gives the image of `folder`/Dockerfile its labels and names, all at its end."""
    given = [f"--label={name}={value}" for name, value in labels.items()]
    return ["docker", "build", "--quiet", "--force-rm", *given, *(f"--tag={tag}" for tag in tags), str(folder)]
