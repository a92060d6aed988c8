"""Where a content release is taken from: the address of the course, or files that somebody handed out."""

from pathlib import Path
from typing import BinaryIO, Protocol

from course_runtime.machine.machine import Course
from course_runtime.update.fetch import copy_exactly, open_url, read_small, time_limit
from course_runtime.update.statement import LIMIT, STATEMENT, Statement

STATEMENT_SECONDS, ARCHIVE_SECONDS = 60.0, 900.0
"""After which a transfer is given up."""


class Source(Protocol):
    """A place with a content.json and its archive; `where` names the content.json in messages."""

    where: str

    def read_statement(self) -> bytes:
        """Return the bytes of content.json."""

    def copy_archive(self, statement: Statement, target: BinaryIO) -> None:
        """Copy the archive that `statement` names; raise Untrue when it is another one."""


class WebSource:
    """The folder of a semester's content releases, below the course's address."""

    def __init__(self, course: Course) -> None:
        self._folder = f"{course.address.rstrip('/')}/{course.semester}-content"
        self.where = f"{self._folder}/{STATEMENT}"

    def read_statement(self) -> bytes:
        """Return the bytes of content.json."""
        with time_limit(STATEMENT_SECONDS, self.where), open_url(self.where) as stream:
            return read_small(stream, LIMIT, self.where)

    def copy_archive(self, statement: Statement, target: BinaryIO) -> None:
        """Fetch the archive, never more of it than was announced."""
        url = f"{self._folder}/{statement.file}"
        with time_limit(ARCHIVE_SECONDS, url), open_url(url) as stream:
            copy_exactly(stream, statement.bytes, statement.sha256, target, url)


class FolderSource:
    """A folder with both files; or one of them, with the other beside it."""

    def __init__(self, path: Path) -> None:
        statement = path / STATEMENT if path.is_dir() else path
        self._statement = statement if statement.suffix == ".json" else statement.with_name(STATEMENT)
        self.where = str(self._statement)

    def read_statement(self) -> bytes:
        """Return the bytes of content.json."""
        with self._statement.open("rb") as stream:
            return read_small(stream, LIMIT, self.where)

    def copy_archive(self, statement: Statement, target: BinaryIO) -> None:
        """Copy the archive."""
        path = self._statement.with_name(statement.file)
        with path.open("rb") as stream:
            copy_exactly(stream, statement.bytes, statement.sha256, target, str(path))
