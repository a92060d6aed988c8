"""Sets on the disk: a set appears when it is whole, and says where it comes from."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from course_tools.datasets.catalogue import SOURCE, DataSet


class DataError(Exception):
    """Something that the user can mend, in one line."""


@dataclass(frozen=True)
class Found:
    """What a folder has of a set: "real", "stand-in" or "unknown", the SHA-256 of its files when it was made."""

    folder: Path
    source: str
    files: dict[str, str]
    missing: tuple[str, ...]


def read(dataset: DataSet, folder: Path) -> Found | None:
    """Return what `folder` has of `dataset`; None when programs would not take it from there."""
    if not dataset.is_begun(folder):
        return None
    missing = tuple(dataset.list_missing(folder))
    try:
        known = json.loads((folder / dataset.name / SOURCE).read_text())
        return Found(folder, str(known["source"]), dict(known["files"]), missing)
    except (OSError, ValueError, KeyError, TypeError):
        return Found(folder, "unknown", {}, missing)


def find_changed(dataset: DataSet, found: Found) -> list[str]:
    """Return the names of the files that are gone, or not what they were when the set was made."""
    paths = dataset.files_in(found.folder)
    return [path.name for path in paths if not path.is_file() or hash_file(path) != found.files.get(path.name)]


@contextmanager
def new_set(dataset: DataSet, folder: Path, source: str, version: int, note: str) -> Iterator[Path]:
    """Give an empty folder for the set's files; afterwards the set is `folder`/NAME, in the place of an earlier one.

    Nothing of it is seen, and the earlier one stays, unless the block ends well. Raise DataError.
    """
    target = folder / dataset.name
    beside, former = folder / f".{dataset.name}.part", folder / f".{dataset.name}.old"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with hold(folder):
            refuse_others(dataset, target)
            try:
                for leftover in (beside, former):
                    shutil.rmtree(leftover, ignore_errors=True)
                (beside / dataset.place).mkdir(parents=True)
                yield beside / dataset.place
                files = {name: hash_file(beside / dataset.place / name) for name in dataset.files}
                about = {"set": dataset.name, "source": source, "version": version, "note": note, "files": files}
                (beside / SOURCE).write_text(json.dumps(about, indent=1) + "\n")
                flush_tree(beside)
                if target.exists():
                    target.rename(former)
                beside.rename(target)
            finally:
                for leftover in (beside, former):
                    shutil.rmtree(leftover, ignore_errors=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DataError(
            f"{error.filename or target}: {reason}: make room, or name a folder you may write with --dir"
        ) from error


def refuse_others(dataset: DataSet, target: Path) -> None:
    """Raise DataError where something lies at `target` that this command did not make: it might be dear to somebody."""
    if target.is_symlink() or (target.exists() and not (target / SOURCE).is_file() and any(target.iterdir())):
        raise DataError(
            f"{target} is in the way, and no {dataset.title} that course-data put there: move it elsewhere,"
            " or name another folder with --dir"
        )


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep others from writing sets into `folder` meanwhile; raise DataError when one does already."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: then it is the user's business
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DataError(f"another course-data writes into {folder}: wait until it is done") from None
        yield
    finally:
        os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """Wait until all of `folder` is on disk: a machine switched off now must not wake up with names without bytes."""
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
