"""A container image as one file: an OCI archive with zstd layers, for registries, Apptainer and enroot."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from practicum.engine.errors import ProgramFailed
from practicum.engine.progress import Console
from practicum.engine.publish import new_file_with_checksum, write_text
from practicum.engine.run import read, run
from practicum.engine.stage import Stage
from practicum.engine.stages import describe_file
from practicum.images.oci import PackedImage, pack_image, write_oci_archive
from practicum.images.stage import GB

RECORD = "image.json"
"""What the stage of an image leaves."""

COPIES = 2.2
"""Of an image, while `docker save` runs: docker writes it into a folder of its own before it hands it out; a tenth more
is for the headers of the tars. What follows takes less: packed, an image has at most half its size, in the cache and in
dist/. Of several images, only one is unpacked at a time."""

UNBUILT = {"cpu": 2 * GB, "cuda": 7 * GB}
"""Bytes of an image that is still to be built; docs/figures.md has its size and the most that it may have."""


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
    tools: ClassVar = ("docker",)

    images: Images
    variant: str
    image_name: str
    epoch: int
    target: Path

    @property
    def title(self) -> str:
        return f"archive-{self.variant}"

    def measure_space(self) -> int:
        """Return COPIES of each image: of docker's own size, or of UNBUILT while there is none."""
        built = [part.stage.folder / RECORD for part in self.images.parts]
        sizes = [measure_image(read_name(file)) if file.exists() else 0 for file in built]
        return int(COPIES * sum(size or UNBUILT[self.variant] for size in sizes))

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
        image, saved = read_name(part.stage.folder / RECORD), work / "saved.tar"
        console.say(f"reading {image}")
        run(save_argv(image, saved), step=self.name, log=work.parents[1] / "docker.log")
        packed = pack_image(saved, name=image, stages=part.layers, epoch=self.epoch, work=work, console=console)
        saved.unlink()
        return packed

    def still_there(self, folder: Path) -> bool:
        return self.target.exists() and (folder / "archive.json").read_text() == describe_file(self.target)


def read_name(file: Path) -> str:
    """Return docker's name of an image, from what its stage wrote."""
    name: str = json.loads(file.read_text())["tags"][0]
    return name


def measure_image(name: str) -> int:
    """Return the bytes of the image's layers, unpacked; 0 when docker has no such image."""
    try:
        return int(read(["docker", "image", "inspect", "--format={{.Size}}", name], step="docker"))
    except ProgramFailed:
        return 0


def save_argv(image: str, file: Path) -> list[str]:
    """Return the command that writes the image of docker's present host to `file`."""
    return ["docker", "save", f"--output={file}", image]
