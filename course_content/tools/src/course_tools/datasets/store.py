"""Sets on the disk: a set appears when it is whole, and says where it comes from."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from course_tools.datasets.catalogue import SOURCE, DataSet


class DataError(Exception):
    """Something that the user can mend, in one line."""


@dataclass(frozen=True)
class Found:
    """A set that is in a folder: "real", "stand-in" or "unknown", and the digests of its files when it was made."""

    folder: Path
    source: str
    files: dict[str, str]


def read(dataset: DataSet, folder: Path) -> Found | None:
    """What `folder` has of `dataset`; None when a file is missing."""
    if not dataset.is_whole(folder):
        return None
    try:
        known = json.loads((folder / dataset.name / SOURCE).read_text())
        return Found(folder, str(known["source"]), dict(known["files"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Found(folder, "unknown", {})


def find_changed(dataset: DataSet, found: Found) -> list[str]:
    """The names of the files that are not what they were when the set was made."""
    paths = dataset.files_in(found.folder)
    return [path.name for path in paths if hash_file(path) != found.files.get(path.name)]


@contextmanager
def new_set(dataset: DataSet, folder: Path, source: str, version: int, note: str) -> Iterator[Path]:
    """Gives an empty folder for the set's files; afterwards the set is `folder`/NAME, in the place of an earlier one.

    Nothing of it is seen, and the earlier one stays, unless the block ends well. Raises DataError.
    """
    target = folder / dataset.name
    beside = folder / f".{dataset.name}.part"
    try:
        shutil.rmtree(beside, ignore_errors=True)
        (beside / dataset.place).mkdir(parents=True)
        yield beside / dataset.place
        files = {name: hash_file(beside / dataset.place / name) for name in dataset.files}
        about = {"set": dataset.name, "source": source, "version": version, "note": note, "files": files}
        (beside / SOURCE).write_text(json.dumps(about, indent=1) + "\n")
        if target.exists():
            target.rename(folder / f".{dataset.name}.old")
        beside.rename(target)
    except OSError as error:
        raise DataError(
            f"{error.filename or target}: {error.strerror}: make room, or name a folder you may write with --dir"
        ) from error
    finally:
        for leftover in (beside, folder / f".{dataset.name}.old"):
            shutil.rmtree(leftover, ignore_errors=True)


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
