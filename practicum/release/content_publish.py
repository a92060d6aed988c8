"""Publishes a content release, so that a machine finds the one before or the new one, whole.

The archive is sent first and never changes. content.json is replaced last, and never by that of an older one. So when a
run is killed, content.json still names the archive before; and a run after a finished one changes nothing.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.release.content_release import FILE, Statement, open_content, read_statement
from practicum.release.target import Item, Report


class ContentTarget(Protocol):
    """The folder of a target in which the content releases of a semester lie."""

    def find(self, item: Item) -> str | None:
        """Return the digest of what has the item's name, None when nothing has it."""

    def read(self, name: str) -> bytes | None:
        """Return the bytes of a small file, None when it is not there."""

    def put(self, item: Item, report: Report) -> None:
        """Send the item, whose name is not there yet."""

    def replace(self, item: Item) -> None:
        """Send a small item in place of what has its name, in one step."""


def publish_content(folder: Path, target: str, console: Console) -> list[str]:
    """Publish the content release in `folder` to `target`, and return the lines that say what was done.

    target: as for `publish`, but no container registry. Raises Untrue when the archive is not the one that content.json
    names, PracticumError when the target has another one under its name, cannot be reached or refuses a file.
    """
    statement = open_content(folder)
    archive, signed = (describe_file(folder / name) for name in (statement.file, FILE))
    with connect_content(target, statement, folder) as there:
        shown = there.read(FILE)
        before = read_statement(shown) if shown else None
        if before and before.release > statement.release:
            return [f"{target}: {statement.folder} still shows content release {before.release}, which is newer"]
        found = there.find(archive)
        if found not in (None, archive.digest) or (
            before and before.release == statement.release and before.sha256 != statement.sha256
        ):
            where, cure = f"{target}: {statement.name}", "raise content.release in semester.toml, and make it again"
            raise PracticumError(where, "is there with another content", cure)
        if found is None:
            with console.transfer(f"publishing {statement.name}", archive.size) as report:
                there.put(archive, report)
        if before and before.release == statement.release:
            return [f"{target}: {statement.folder} shows content release {statement.release} already"]
        there.replace(signed)
        return [f"{target}: {statement.folder} shows content release {statement.release} now"]


def describe_file(path: Path) -> Item:
    """Return a file as an item."""
    data = path.read_bytes()
    return Item(path.name, hashlib.sha256(data).hexdigest(), len(data), path)


@contextmanager
def connect_content(target: str, statement: Statement, folder: Path) -> Iterator[ContentTarget]:
    """Give the target that a user named, open until the end of the block.

    Raises PracticumError at a container registry: machines read content releases as files.
    """
    from practicum.release.folder_target import FolderContent, FolderTarget
    from practicum.release.packages import PackageTarget
    from practicum.release.publish import connect
    from practicum.release.rsync_target import RsyncContent, RsyncTarget

    if target.startswith("docker://"):
        cure = "give a folder, HOST:PATH, rsync://HOST/MODULE or https://HOST/..."
        raise PracticumError(target, "takes no content release: machines fetch it as a file", cure)
    with connect(target) as there:
        there.check()
        if isinstance(there, FolderTarget):
            yield FolderContent(Path(target) / statement.folder)
        elif isinstance(there, RsyncTarget):
            yield RsyncContent(target.rstrip("/"), statement.folder, folder)
        else:
            assert isinstance(there, PackageTarget)
            there.choose(statement.folder)
            yield there
