"""Where the checkout is, and which semesters it describes."""

import re
from collections.abc import Iterable
from pathlib import Path

from practicum.engine.errors import PracticumError
from practicum.semester.description import Semester, load


def find_root(start: Path | None = None) -> Path:
    """Return the checkout: the nearest folder with semesters/ above the working folder, else above this package."""
    for folder in (start or Path.cwd(), Path(__file__).parent):
        for candidate in (folder, *folder.parents):
            if (candidate / "semesters").is_dir():
                return candidate
    raise PracticumError("semesters/", "no such folder here or above", "run this inside a checkout of practicum")


def list_semesters(root: Path) -> list[str]:
    """Return the names of the described semesters, oldest first."""
    return sort_semesters([file.parent.name for file in (root / "semesters").glob("*/semester.toml")])


def sort_semesters(names: Iterable[str]) -> list[str]:
    """Return the names of semesters, oldest first: by the alphabet a year's autumn would come before its spring."""
    return sorted(names, key=lambda name: (re.sub(r"\D", "", name), "autumn" in name, name))


def find_semester(name: str) -> Semester:
    """Return the named semester, the newest for ""; raises PracticumError listing the known ones."""
    root = find_root()
    known = list_semesters(root)
    if not known:
        raise PracticumError(f"{root}/semesters", "no semester is described", "see docs/ for how to start one")
    if name and name not in known:
        raise PracticumError(name, "no such semester", f"known: {', '.join(known)}")
    return load(root / "semesters" / (name or known[-1]))
