"""A container image as one file: an OCI archive with zstd layers, for Apptainer, enroot and air-gapped registries."""

import json
import shutil
from pathlib import Path

from practicum import container, layers, stages
from practicum.description import Semester
from practicum.layers import GB
from practicum.lock import Kind
from practicum.progress import Console
from practicum.publish import new_file_with_checksum, write_text
from practicum.run import run
from practicum.stages import Stage

LEVEL = 3
"""Of zstd: its own default, at which layers are packed as fast as docker hands them out."""

BLOCK = 1 << 22


def recipe(semester: Semester, kind: Kind) -> tuple[Stage, ...]:
    """Returns the stages of the image and of its archive."""
    below = container.recipe(semester, kind)
    return (*below, _archive_stage(semester, below[-1], kind))


def target(semester: Semester, kind: Kind) -> Path:
    """Returns where the archive appears."""
    return semester.root / "dist" / semester.course.semester / f"{semester.name}-{kind}.oci.tar"


def copy_argv(image: str, archive: Path) -> list[str]:
    """Returns the command that writes the image of the local docker as an OCI archive which calls it by its name."""
    return [
        "skopeo", "copy", "--quiet", "--dest-compress-format=zstd", f"--dest-compress-level={LEVEL}",
        f"docker-daemon:{image}", f"oci-archive:{archive}:{image}",
    ]  # fmt: skip


def _archive_stage(semester: Semester, before: Stage, kind: Kind) -> Stage:
    name, path = f"archive-{kind}", target(semester, kind)
    inputs = {before.name: before.key, "target": str(path), **layers.source_inputs("archive.py")}

    def build(out: Path, console: Console) -> None:
        image = json.loads((stages.folder_of(before) / "image.json").read_text())["tags"][0]
        console.say(f"packing {image}")
        run(copy_argv(image, out / "image.tar"), step=name, log=out / "skopeo.log", tmp=out)
        publish(out / "image.tar", path)
        (out / "image.tar").unlink()
        write_text(out / "archive.json", stages.describe_file(path))

    def still_there(folder: Path) -> bool:
        return path.exists() and (folder / "archive.json").read_text() == stages.describe_file(path)

    space = (14 if kind == "cuda" else 5) * GB
    return Stage(name, inputs, build, ("archive.json",), space=space, tools=("skopeo",), still_there=still_there)


def publish(written: Path, path: Path) -> None:
    """Copies `written` to `path`, which may be on another file system, with its checksum."""
    with new_file_with_checksum(path) as new, written.open("rb") as source:
        shutil.copyfileobj(source, new.stream, BLOCK)
