"""A container image as one file: an OCI archive with zstd layers, for registries, Apptainer and enroot."""

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
from practicum.images.oci import PackedImage, pack_image, write_oci_archive
from practicum.images.stage import GB


@dataclass(frozen=True)
class Part:
    """An image: the stage that named it, and the stages that make its layers, the lowest first."""

    stage: Stage
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Images:
    """The images of an archive."""

    parts: tuple[Part, ...]

    @property
    def inputs(self) -> dict[str, str]:
        layers = {f"layers of {part.stage.name}": " ".join(part.layers) for part in self.parts}
        return {part.stage.name: part.stage.key for part in self.parts} | layers


@dataclass(frozen=True)
class Archive(Stage):
    """The OCI archive in `dist/`, with its checksum: the same bytes for the same files.

    variant: "cpu" or "cuda". images: one for each architecture. image_name: of them in the archive. epoch: seconds
    since 1970, which no file in it is younger than.
    """

    outputs: ClassVar = ("archive.json",)
    space: ClassVar = 14 * GB
    tools: ClassVar = ("docker",)

    images: Images
    variant: str
    image_name: str
    epoch: int
    target: Path

    @property
    def title(self) -> str:
        return f"archive-{self.variant}"

    def build(self, out: Path, console: Console) -> None:
        work = out / "blobs"
        packed = [self.pack(part, work / part.stage.name, console) for part in self.images.parts]
        with new_file_with_checksum(self.target) as new:
            write_oci_archive(packed, new.stream, name=self.image_name, epoch=self.epoch, work=work)
        shutil.rmtree(work)
        write_text(out / "archive.json", describe_file(self.target))

    def pack(self, part: Part, work: Path, console: Console) -> PackedImage:
        """Write the blobs of an image of docker's into the new folder `work`."""
        work.mkdir(parents=True)
        image, saved = json.loads((part.stage.folder / "image.json").read_text())["tags"][0], work / "saved.tar"
        console.say(f"reading {image}")
        run(save_argv(image, saved), step=self.name, log=work.parents[1] / "docker.log")
        packed = pack_image(saved, name=image, stages=part.layers, epoch=self.epoch, work=work, console=console)
        saved.unlink()
        return packed

    def still_there(self, folder: Path) -> bool:
        return self.target.exists() and (folder / "archive.json").read_text() == describe_file(self.target)


def save_argv(image: str, file: Path) -> list[str]:
    """Return the command that writes the image of docker's present host to `file`."""
    return ["docker", "save", f"--output={file}", image]
