"""When students get the solutions of a practical, a project or a lecture: never, at once, or from a date on."""

from collections.abc import Mapping
from pathlib import PurePosixPath

FOLDER = "solutions"
"""Folders of this name, anywhere in the content, are the instructor's."""

DATED = ".dated"
"""The folder of an assembled content that has the dated files, which `course-sync` brings; Jupyter does not show it."""

KINDS = ("lectures", "practicals", "projects")

Solutions = bool | Mapping[str, str]
"""False: never. True: at once. A table: name of a practical, project or lecture -> ISO date of its solutions."""


def find_date(path: PurePosixPath, solutions: Solutions) -> str | None:
    """Return from which ISO date on students have the file `path` of the content: "" for always, None for never."""
    if FOLDER not in path.parts:
        return ""
    if isinstance(solutions, bool):
        return "" if solutions else None
    return solutions.get(find_owner(path))


def find_owner(path: PurePosixPath) -> str:
    """Return whose solution `path` is: "practical-1" of practicals/practical-1/solutions/practical_1.py.

    A folder of solutions that belongs to all lectures has the lecture in the names of its files.
    """
    place = path.parts.index(FOLDER)
    above = path.parts[place - 1] if place else ""
    return path.parts[place + 1].split(".")[0] if above in KINDS else above
