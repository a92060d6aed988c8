"""A container image as one file: an OCI archive with zstd layers, for registries, Apptainer and enroot."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from practicum.engine.progress import Console
from practicum.engine.publish import new_file_with_checksum, write_text
from practicum.engine.run import run
from practicum.engine.stage import Stage
from practicum.engine.stages import describe_file
from practicum.images.oci import write_oci_archive
from practicum.images.stage import GB


@dataclass(frozen=True)
class Archive(Stage):
    """The OCI archive in `dist/`, with its checksum: the same bytes for the same files.

    variant: "cpu" or "cuda". layers: the stages that make the image's layers, the lowest first. epoch: seconds since
    1970, which no file in it is younger than.
    """

    outputs: ClassVar = ("archive.json",)
    space: ClassVar = 14 * GB
    tools: ClassVar = ("docker",)

    image_stage: Stage
    variant: str
    layers: tuple[str, ...]
    epoch: int
    target: Path

    @property
    def title(self) -> str:
        return f"archive-{self.variant}"

    def build(self, out: Path, console: Console) -> None:
        image = json.loads((self.image_stage.folder / "image.json").read_text())["tags"][0]
        console.say(f"reading {image}")
        saved = out / "saved.tar"
        run(save_argv(image, saved), step=self.name, log=out / "docker.log")
        with new_file_with_checksum(self.target) as new:
            write_oci_archive(
                saved, new.stream, name=image, stages=self.layers, epoch=self.epoch, work=out, console=console
            )
        for written in (saved, *out.glob("*.layer"), out / "config", out / "manifest"):
            written.unlink()
        write_text(out / "archive.json", describe_file(self.target))

    def still_there(self, folder: Path) -> bool:
        return self.target.exists() and (folder / "archive.json").read_text() == describe_file(self.target)


def save_argv(image: str, file: Path) -> list[str]:
    """Return the command that writes the image of docker's present host to `file`."""
    return ["docker", "save", f"--output={file}", image]
