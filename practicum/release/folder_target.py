"""Releases in a folder, say of a web server.

FOLDER/<release>/ appears when it is complete; FOLDER/<semester> is a link to the release that students should take.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from practicum.engine.cache import hash_file, hold
from practicum.engine.errors import PracticumError
from practicum.engine.publish import new_file, sync_folder, write_text
from practicum.release.target import LATEST, Item, Release, Report, list_files, read_number

CHUNK = 1 << 20

OTHER = "other"
"""Stands for the digest of a file that a complete release in the target lacks."""


@contextmanager
def open_folder(folder: Path) -> Iterator["FolderTarget"]:
    """Give the target, locked, so that no other process publishes to it."""
    if not folder.is_dir():
        raise PracticumError(str(folder), "no such folder", f"mkdir -p {folder}")
    with hold(folder / ".publishing.lock", f"publishing to {folder}"):
        yield FolderTarget(folder)


class FolderTarget:
    """A folder; what is not yet complete grows in FOLDER/.<release>.new/."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._complete = self._new = folder  # list_items names them
        self._names: set[Path] = set()

    def check(self) -> None:
        """Do nothing: who opened the target has written its lock into the folder."""

    def list_items(self, release: Release) -> list[Item]:
        """Return the files; a folder has no limit of its own."""
        self._complete = self._folder / release.record.name
        self._new = self._folder / f".{release.record.name}.new"
        items = list_files(release, release.limit)
        self._names = {self._new / item.name for item in items}
        return items

    def find(self, item: Item) -> str | None:
        """Return the digest in the complete release; `put` looks at what an unfinished one has."""
        if not self._complete.exists():
            return None
        path = self._complete / item.name
        return hash_file(path) if path.is_file() and not path.is_symlink() else OTHER

    def put(self, item: Item, report: Report) -> None:
        """Write the file, after the bytes that are there already and right."""
        path = self._new / item.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        with item.open() as source, path.open("r+b") as target:
            left = item.size
            while data := source.read(min(CHUNK, left)):
                if target.read(len(data)) != data:
                    target.seek(item.size - left)
                    target.truncate()
                    target.write(data)
                left -= len(data)
                report(len(data))
            target.truncate(item.size)
            target.flush()
            os.fchmod(target.fileno(), 0o644)
            os.fsync(target.fileno())

    def complete(self, release: Release) -> None:
        """Give the folder its name; the file system refuses to put it over another one."""
        if self._complete.exists():
            return
        for path in (self._new, *self._new.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)
                sync_folder(path)
            elif path not in self._names:  # an earlier build of the release, never completed, had this file
                path.unlink()
        self._new.rename(self._complete)
        sync_folder(self._folder)

    def list_shown(self, semester: str) -> set[int]:
        """Return the number of the release that the link, or the file in its place, names."""
        name = self._folder / semester
        if name.is_symlink():
            return {read_number(name.readlink().name, semester)}
        with suppress(OSError):
            return {read_number((name / LATEST).read_text(), semester)}
        return {0}

    def show(self, release: Release) -> None:
        """Switch the link by a rename; where links are impossible, the file <semester>/latest."""
        name, new = self._folder / release.record.semester, self._folder / f".{release.record.semester}.new"
        if not name.is_dir() or name.is_symlink():
            with suppress(OSError):
                new.unlink(missing_ok=True)
                new.symlink_to(release.record.name)
                new.replace(name)
                sync_folder(self._folder)
                return
        name.mkdir(exist_ok=True)
        write_text(name / LATEST, f"{release.record.name}\n")

    def describe(self, release: Release) -> list[str]:
        """Return where the release is."""
        return [f"{self._complete}"]


class FolderContent:
    """The folder of a semester's content releases, FOLDER/<semester>-content."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, item: Item) -> str | None:
        """Return the digest of the file."""
        path = self._folder / item.name
        return hash_file(path) if path.is_file() else None

    def read(self, name: str) -> bytes | None:
        """Return the bytes of the file."""
        path = self._folder / name
        return path.read_bytes() if path.is_file() else None

    def put(self, item: Item, report: Report) -> None:
        """Write the file, which appears when it is complete."""
        with new_file(self._folder / item.name) as new, item.open() as source:
            while data := source.read(CHUNK):
                new.stream.write(data)
                report(len(data))

    def replace(self, item: Item) -> None:
        """Write the file by a rename."""
        self.put(item, lambda count: None)
