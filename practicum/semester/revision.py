"""Which commit is built: read from git, and said in names and labels."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from practicum.engine.errors import PracticumError
from practicum.engine.run import read

RECORDS = (":(exclude,glob)semesters/*/releases/**", ":(exclude,glob)semesters/*/content/*.json")
"""The records of releases in git's words: one is written when its products are finished, and changes none of them."""


@dataclass(frozen=True)
class Revision:
    """A commit: its whole hash ("unknown" without git), its date in RFC 3339, whether files differ from it."""

    full: str
    date: str
    dirty: bool = False

    @property
    def label(self) -> str:
        """Returns what a label says: the hash, marked where the files are not those of the commit."""
        return self.full + ("-dirty" if self.dirty else "")


def read_revision(root: Path) -> Revision:
    """Return the commit of the checkout `root`; a folder that is no checkout is an unknown one."""
    # Root builds what a user cloned: git would refuse to look.
    git = ["git", "-c", f"safe.directory={root}", "-C", str(root)]
    try:
        if Path(read([*git, "rev-parse", "--show-toplevel"], step="git").strip()) != root:
            raise PracticumError("", "another repository")
        full, seconds = read([*git, "log", "-1", "--format=%H %ct"], step="git").split()
        # All files: a new folder, told as one, could hold nothing but records.
        status = [*git, "status", "--porcelain", "--untracked-files=all", "--", ".", *RECORDS]
        dirty = bool(read(status, step="git").strip())
    except PracticumError:
        return Revision("unknown", format_date(0), dirty=True)
    return Revision(full, format_date(int(seconds)), dirty)


def format_date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
