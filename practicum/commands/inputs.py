"""The inputs of a release as one file, from which it is built again, without a network, to the same bytes.

inputs.json                          the semester, and the sha256 of every other member
sources.list                         apt's own, which the mirror gave to the root file system
priorities.txt                       the priorities that Debian's archive gave to the packages of that system
debs/<stage>/<name>.deb              what apt installed in that stage
wheels/<sha256>/<filename>           every wheel of the locks
wheelhouses/<lock>.json              which wheels belong to a lock
datasets/...                         the real data sets, where they could be had
lectures/<name>-<key>.ipynb          the lectures with their outputs, where they were run
"""

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from practicum.architecture import AMD64, Architecture
from practicum.engine import cache, stages
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.engine.publish import move_folder, new_file_with_checksum
from practicum.images import deb_index, debs
from practicum.images.packer import DEBS, MOUNT
from practicum.images.root import PRIORITIES
from practicum.semester.description import Semester
from practicum.semester.lectures import find_lectures
from practicum.semester.locks import Variant, find_lock
from practicum.semester.products import VARIANTS, list_all
from practicum.wheels.lockfile import hash_lock

INDEX = "inputs.json"
SOURCES = "sources.list"
STORES = ("wheels", "wheelhouses", "datasets", "lectures")
"""Folders of the cache that hold inputs under names that stay."""

BLOCK = 1 << 20


def write_inputs(
    semester: Semester,
    target: Path,
    console: Console,
    variants: Sequence[Variant] = VARIANTS,
    architectures: Sequence[Architecture] = (AMD64,),
) -> None:
    """Write the inputs of the last build of `semester` to `target`, with their checksum.

    variants: whose wheels, for each of `architectures`. Raises PracticumError when the cache has no build, or not all
    of its inputs.
    """
    outputs = {name: find_output(semester, name) for name in list_deb_stages(semester, architectures)}
    locks = [find_lock(semester, variant, one) for one in architectures for variant in variants]
    members = dict(list_members(outputs, locks)) | list_lectures(semester)
    console.say(f"reading {len(members)} files")
    digests = {name: digest for name, (digest, _) in members.items()}
    index = json.dumps({"semester": semester.id, "files": digests}, indent=1, sort_keys=True).encode()
    total = sum(path.stat().st_size for _, path in members.values())
    with (
        new_file_with_checksum(target) as new,
        console.transfer(f"{len(members)} files", total) as report,
        tarfile.open(fileobj=new.stream, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        archive.copybufsize = BLOCK  # type: ignore[attr-defined]  # typeshed does not know it
        _add(archive, INDEX, io.BytesIO(index), len(index), semester.epoch)
        for name, (_, path) in sorted(members.items()):
            size = path.stat().st_size
            with path.open("rb") as content:
                _add(archive, name, content, size, semester.epoch)
            report(size)


def list_deb_stages(semester: Semester, architectures: Sequence[Architecture] = ()) -> list[str]:
    """Return the names of the stages that take Debian packages, base first; without `architectures`, of all."""
    return [stage.name for stage in list_all(semester, architectures) if debs.RECORD in stage.outputs]


def find_output(semester: Semester, stage: str) -> Path:
    """Return the output of `stage` of the last build; raises PracticumError when there is none."""
    output = stages.last_output(semester.product_name, stage)
    if not output or not (output / debs.RECORD).exists():
        raise PracticumError(
            semester.id, f"stage {stage} has not been built here", f"run: make ova SEMESTER={semester.id}"
        )
    return output


def list_members(outputs: dict[str, Path], locks: Iterable[Path]) -> Iterator[tuple[str, tuple[str, Path]]]:
    """Yield (name, (sha256, file)) of each member but the index; outputs: of the stages that took Debian packages."""
    for name, digest, path in deb_index.list_debs(outputs):
        yield f"debs/{name}", (digest, path)
    base = next(iter(outputs.values()))  # what it was told by the mirror holds for every architecture
    for told in (SOURCES, PRIORITIES):
        yield told, (cache.hash_file(base / told), base / told)
    for lock in locks:
        yield from list_wheels(lock)
    for path in sorted((cache.root() / "datasets").rglob("*")):
        if path.is_file():
            yield str(path.relative_to(cache.root())), (cache.hash_file(path), path)


def list_lectures(semester: Semester) -> dict[str, tuple[str, Path]]:
    """Return the lectures that were run: name of the member -> (sha256, file)."""
    kept = [lecture.kept for lecture in find_lectures(semester).there]
    return {str(path.relative_to(cache.root())): (cache.hash_file(path), path) for path in kept}


def list_wheels(lock: Path) -> Iterator[tuple[str, tuple[str, Path]]]:
    """Yield the wheels of `lock` as list_members does, and the index that the wheelhouse keeps of them."""
    index = cache.root() / "wheelhouses" / f"{hash_lock(lock)}.json"
    if not index.exists():
        raise PracticumError(str(lock), "its wheels are not in the cache", "run: make ova docker")
    yield f"wheelhouses/{index.name}", (cache.hash_file(index), index)
    for wheel in json.loads(index.read_text()):
        name = f"wheels/{wheel['sha256']}/{wheel['filename']}"
        yield name, (wheel["sha256"], cache.root() / name)


def read_inputs(file: Path, semester: Semester, console: Console) -> debs.DebSource:
    """Put the inputs of `file` into the cache, and return where the Debian packages are.

    Raises PracticumError when the file is no such file, is of another semester, or when a member has another digest.
    """
    if not file.is_file():
        raise PracticumError(str(file), "no such file", f"make it with: practicum inputs {semester.id}")
    with _open(file) as archive:
        index = _read_index(archive, file, semester)
        folder = cache.root() / "inputs" / sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()
        if not folder.exists():
            with cache.work_folder("inputs") as work, console.transfer(file.name, file.stat().st_size) as report:
                extract(archive, index["files"], work / "new", report, file)
                for stage in list_deb_stages(semester):
                    make_source(work / "new", stage, semester.debian.suite)
                spread(work / "new")
                move_folder(work / "new", folder)
    return debs.DebSource(folder / "debs")


def extract(
    archive: tarfile.TarFile, files: dict[str, str], folder: Path, report: Callable[[int], None], source: Path
) -> None:
    """Unpack the members that the index names into `folder`, and check them."""
    folder.mkdir()
    for member in archive:
        if member.name == INDEX:
            continue
        if not member.isreg() or member.name not in files:
            raise PracticumError(str(source), f"{member.name} is not in its index", "get the file again")
        target = folder / member.name
        target.parent.mkdir(parents=True, exist_ok=True)
        content = archive.extractfile(member)
        assert content is not None
        with target.open("wb") as out:
            shutil.copyfileobj(content, out, BLOCK)
        if cache.hash_file(target) != files[member.name]:
            raise PracticumError(str(source), f"{member.name} is not what its index says", "get the file again")
        report(member.size)
    if absent := [name for name in files if not (folder / name).exists()]:
        raise PracticumError(str(source), f"it lacks {absent[0]}", "get the file again")


def make_source(folder: Path, stage: str, suite: str) -> None:
    """Make debs/<stage> of `folder` a place that apt installs from."""
    packages = folder / "debs" / stage
    packages.mkdir(parents=True, exist_ok=True)
    lines = (folder / PRIORITIES).read_text().splitlines()
    deb_index.write_index(packages, suite, dict(line.split("=", 1) for line in lines))
    deb_index.write_apt_config(packages, Path(MOUNT) / DEBS)
    shutil.copy(folder / SOURCES, packages / debs.RELEASED)


def spread(folder: Path) -> None:
    """Move what the cache has a place for there; files that are there already stay."""
    for store in STORES:
        for path in sorted((folder / store).rglob("*")):
            target = cache.root() / path.relative_to(folder)
            if path.is_file() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
        shutil.rmtree(folder / store, ignore_errors=True)


def _open(file: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(file, mode="r:")
    except tarfile.TarError as error:
        raise PracticumError(
            str(file), f"this is no file of inputs ({error})", "name what `practicum inputs` wrote"
        ) from None


def _read_index(archive: tarfile.TarFile, file: Path, semester: Semester) -> dict[str, Any]:
    first = archive.next()
    content = archive.extractfile(first) if first and first.name == INDEX else None
    if content is None:
        raise PracticumError(str(file), f"it does not begin with {INDEX}", "name what `practicum inputs` wrote")
    index: dict[str, Any] = json.load(content)
    if index["semester"] != semester.id:
        raise PracticumError(str(file), f"its inputs are of {index['semester']}", f"add: SEMESTER={index['semester']}")
    return index


def _add(archive: tarfile.TarFile, name: str, content: BinaryIO, size: int, epoch: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, epoch, 0o644
    archive.addfile(member, content)
