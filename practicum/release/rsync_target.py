"""Releases on a machine that rsync reaches: HOST:PATH by ssh, or a module of an rsync daemon, rsync://HOST/MODULE.

rsync cannot rename on the other side. So <release>/ grows there, and is complete once it has SHA256SUMS, the last file.
The moving name is a link by ssh; a daemon may forbid links, so there it is the file <semester>/latest.
"""

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from practicum.engine.errors import PracticumError, ProgramFailed
from practicum.engine.run import read, run
from practicum.engine.tools import require
from practicum.release.target import LATEST, Item, Release, Report, list_files, read_number

PART = ".practicum-part"
"""The folder in which a file that is under way lies on the other side; the next run goes on with it."""

SECONDS = 6 * 3600.0
"""After which a comparison counts as a hang: the other side reads gigabytes for it."""

_CHANGE = re.compile(r"[<>ch.*][fdLDS](?P<how>\S{9}) (?P<name>.+)")
_PROGRESS = re.compile(r"\s*(\d+)\s+\d+%")


@contextmanager
def open_rsync(target: str) -> Iterator["RsyncTarget"]:
    """Give the target; its folder must be there."""
    require("rsync")
    yield RsyncTarget(target.rstrip("/"))


def compare_argv(folder: Path, there: str) -> list[str]:
    """Return the command that lists the files of `folder` which `there` lacks or has with another content."""
    return [
        "rsync", "--dry-run", "--recursive", "--checksum", "--itemize-changes", "--mkpath",
        f"{folder}/", f"{there}/",
    ]  # fmt: skip


def send_argv(path: Path, there: str) -> list[str]:
    """Return the command that sends one file, from where an earlier try stopped."""
    return [
        "rsync", "--checksum", "--partial-dir", PART, "--mkpath", "--chmod=D755,F644", "--info=progress2", "--no-h",
        str(path), there,
    ]  # fmt: skip


def fetch_argv(there: str, folder: str, file: str, here: str) -> list[str]:
    """Return the command that fetches `folder`/`file`, or the link `folder`, to `here`, if it is there."""
    filters = [f"--include=/{folder}", f"--include=/{folder}/{file}", "--exclude=*"]
    return ["rsync", "--recursive", "--links", *filters, f"{there}/", here]


def list_differences(folder: Path, there: str, step: str) -> dict[str, str]:
    """Return how files of `folder` differ from those of `there`, by name, as rsync says it, without equal ones."""
    lines = read(compare_argv(folder, there), step=step, timeout=SECONDS).splitlines()
    return {match["name"]: match["how"] for line in lines if (match := _CHANGE.fullmatch(line))}


def judge(how: str | None, item: Item) -> str | None:
    """Return the item's own digest where both sides agree, None where the other has none.

    how: what `list_differences` says of it, None for nothing.
    """
    if how is None:
        return item.digest
    return None if set(how) == {"+"} else "other"


class RsyncTarget:
    """A folder on another machine."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._links = not name.startswith("rsync://")
        self._release = name  # list_items names it
        self._differs: dict[str, str] = {}

    def check(self) -> None:
        """List the folder on the other side; rsync finds out only by writing whether it may write."""
        try:
            read(["rsync", "--list-only", f"{self._name}/"], step=self._name, timeout=120)
        except ProgramFailed as error:
            cure = f"make the folder, until this works: rsync --list-only {self._name}/"
            raise PracticumError(self._name, error.reason, cure) from None

    def list_items(self, release: Release) -> list[Item]:
        """Return the files, after one comparison of all of them with what is there."""
        if release.split:
            raise PracticumError(self._name, "takes files of any size", "leave out --split")
        self.check()
        self._release = f"{self._name}/{release.record.name}"
        self._differs = list_differences(release.folder, self._release, self._name)
        return list_files(release, release.limit)

    def find(self, item: Item) -> str | None:
        """Return the item's own digest where both sides agree, None where the other has none."""
        return judge(self._differs.get(item.name), item)

    def put(self, item: Item, report: Report) -> None:
        """Send the file; rsync compares what it has of it."""
        assert isinstance(item.content, Path)
        done = 0

        def count(line: str) -> None:
            nonlocal done
            if match := _PROGRESS.match(line):
                report(int(match[1]) - done)
                done = int(match[1])

        self._run(send_argv(item.content, f"{self._release}/{item.name}"), count)
        report(item.size - done)

    def complete(self, release: Release) -> None:
        """Do nothing: SHA256SUMS was the last file."""

    def list_shown(self, semester: str) -> set[int]:
        """Return the number of the release that the link, or the file in its place, names."""
        with tempfile.TemporaryDirectory(prefix="practicum-") as name:
            self._run(fetch_argv(self._name, semester, LATEST, name))
            here = Path(name, semester)
            if here.is_symlink():
                return {read_number(here.readlink().name, semester)}
            return {read_number((here / LATEST).read_text(), semester) if (here / LATEST).is_file() else 0}

    def show(self, release: Release) -> None:
        """Send the link or the file; rsync puts either in place by a rename."""
        semester, text = release.record.semester, release.record.name
        with tempfile.TemporaryDirectory(prefix="practicum-") as name:
            here = Path(name, semester)
            if self._links:
                here.symlink_to(text)
            else:
                here.mkdir()
                (here / LATEST).write_text(f"{text}\n")
            words = ["rsync", "--recursive", "--links", "--checksum", "--chmod=D755,F644"]
            self._run([*words, str(here), f"{self._name}/"])

    def describe(self, release: Release) -> list[str]:
        """Return where the release is."""
        return [self._release]

    def _run(self, argv: Sequence[str], on_line: Callable[[str], None] | None = None) -> None:
        run(argv, step=self._name, contain=False, on_line=on_line)


class RsyncContent:
    """The folder of a semester's content releases on another machine; here: the folder of what is published."""

    def __init__(self, name: str, folder: str, here: Path) -> None:
        self._name = name
        self._folder = folder
        self._here = here

    def find(self, item: Item) -> str | None:
        """Return the item's own digest where both sides agree, None where the other has none."""
        differences = list_differences(self._here, f"{self._name}/{self._folder}", self._name)
        return judge(differences.get(item.name), item)

    def read(self, name: str) -> bytes | None:
        """Return the bytes of the file, fetched for it."""
        with tempfile.TemporaryDirectory(prefix="practicum-") as here:
            run(fetch_argv(self._name, self._folder, name, here), step=self._name, contain=False)
            path = Path(here, self._folder, name)
            return path.read_bytes() if path.is_file() else None

    def put(self, item: Item, report: Report) -> None:
        """Send the file; rsync puts it in place by a rename."""
        assert isinstance(item.content, Path)
        run(send_argv(item.content, f"{self._name}/{self._folder}/{item.name}"), step=self._name, contain=False)
        report(item.size)

    def replace(self, item: Item) -> None:
        """Send the file in place of the one before."""
        self.put(item, lambda count: None)
