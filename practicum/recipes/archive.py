"""A container image as one file: an OCI archive with zstd layers, for Apptainer, enroot and air-gapped registries."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from practicum.engine.progress import Console
from practicum.engine.publish import new_file_with_checksum, write_text
from practicum.engine.run import run
from practicum.engine.stage import Stage
from practicum.engine.stages import describe_file
from practicum.images.stage import GB

LEVEL = 3
"""Of zstd: its own default, at which layers are packed as fast as docker hands them out."""

BLOCK = 1 << 22


@dataclass(frozen=True)
class Archive(Stage):
    """The OCI archive in `dist/`, with its checksum; variant: "cpu" or "cuda"."""

    outputs: ClassVar = ("archive.json",)
    space: ClassVar = 14 * GB
    tools: ClassVar = ("skopeo",)

    image_stage: Stage
    variant: str
    target: Path

    @property
    def name(self) -> str:
        return f"archive-{self.variant}"

    def build(self, out: Path, console: Console) -> None:
        image = json.loads((self.image_stage.folder / "image.json").read_text())["tags"][0]
        console.say(f"packing {image}")
        run(copy_argv(image, out / "image.tar"), step=self.name, log=out / "skopeo.log", tmp=out)
        publish(out / "image.tar", self.target)
        (out / "image.tar").unlink()
        write_text(out / "archive.json", describe_file(self.target))

    def still_there(self, folder: Path) -> bool:
        return self.target.exists() and (folder / "archive.json").read_text() == describe_file(self.target)


def copy_argv(image: str, archive: Path) -> list[str]:
    """Return the command that writes the image of the local docker as an OCI archive which calls it by its name."""
    return [
        "skopeo", "copy", "--quiet", "--dest-compress-format=zstd", f"--dest-compress-level={LEVEL}",
        f"docker-daemon:{image}", f"oci-archive:{archive}:{image}",
    ]  # fmt: skip


def publish(written: Path, path: Path) -> None:
    """Copy `written` to `path`, which may be on another file system, with its checksum."""
    with new_file_with_checksum(path) as new, written.open("rb") as source:
        shutil.copyfileobj(source, new.stream, BLOCK)
