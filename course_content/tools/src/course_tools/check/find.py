"""Finds a student's files of a practical: the one that was changed last, or all of a folder."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from course_runtime.machine.machine import CourseError, Machine, load_course

from course_tools.check.practicals import Practical
from course_tools.check.student_code import is_stub
from course_tools.check.student_code import select as select_code
from course_tools.check.student_file import UnusableFileError, read_code


def find_files(number: int, practical: Practical, folders: Sequence[Path]) -> list[Path]:
    """Return the practical's files in `folders` that the student changed, the newest first; if none, one as it came.

    Raise UnusableFileError when there is none at all.
    """
    found = list(dict.fromkeys(path.resolve() for folder in folders for path in list_files(folder, practical)))
    if not found:
        names = " or ".join(practical.files)
        places = f"this folder, practicals/practical-{number} or the course's folder"
        raise UnusableFileError(f"no {names} in {places}: give its name, course-check {number} FILE")
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [path for path in found if is_written(path, practical)] or found[:1]


def list_files(folder: Path, practical: Practical) -> Iterator[Path]:
    """Yield the files of the practical in `folder`."""
    for name in practical.files:
        with suppress(OSError):
            if (folder / name).is_file():
                yield folder / name


def is_written(path: Path, practical: Practical) -> bool:
    """Return whether the student wrote something of what is asked; what cannot be read any more is his work too."""
    try:
        code = read_code(path)
    except UnusableFileError:
        return True
    definitions = select_code(code, practical.names).definitions
    return bool(code.problems) or any(
        name in definitions and not is_stub(definitions[name]) for name in practical.names
    )


def list_folders(number: int, machine: Machine) -> list[Path]:
    """Return where a student's files of practical `number` can be, nearest first."""
    folder = f"practical-{number}"
    folders = [Path(), Path("practicals") / folder, Path(folder)]
    with suppress(CourseError):
        folders.append(Path.home() / load_course(machine).slug / "practicals" / folder)
    return folders


def show_path(path: Path) -> str:
    """Return `path` as the student would write it."""
    for base, prefix in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            return f"{prefix}{path.relative_to(base)}"
    return str(path)


def find_class(folder: Path, number: int, practical: Practical) -> list[Path]:
    """Return the files of practical `number` in `folder` and the folders in it; never links.

    They have the practical's own name; or define something of what it asks, and are not named for another practical.
    What begins with a dot is left out.
    """
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix not in (".py", ".ipynb") or name.startswith(".") or path.is_symlink():
                continue
            others = {*re.findall(r"(?:practical|pw|tp|serie)\D?(\d)", name.lower())} - {str(number)}
            if name in practical.files or (not others and is_readable(path) and is_written(path, practical)):
                found.append(path)
    return found


def is_readable(path: Path) -> bool:
    """Return whether a file is Python or a notebook without a mistake of spelling."""
    try:
        return not read_code(path).problems
    except UnusableFileError:
        return False
