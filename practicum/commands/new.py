"""`practicum new`: a course that builds as it is, for a person to change."""

import re
import shutil
from datetime import date
from pathlib import Path

from practicum.course.content import make_folder, write_file
from practicum.engine.errors import PracticumError
from practicum.engine.publish import move_folder
from practicum.semester.description import Semester, load

TEMPLATE = Path(__file__).parent / "course_template"
"""The files of a new course; @SEMESTER@ and @CODE@ stand for its own, in names, too."""


def make_course(folder: Path, semester: str) -> Semester:
    """Write a course with one `semester` into `folder`, which appears when it is complete, and return its description.

    Raises PracticumError when `folder` holds something, or for a name that no semester can have.
    """
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PracticumError(str(folder), "something is there", "name a new folder, or an empty one")
    beside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    words = {"@SEMESTER@": semester, "@CODE@": choose_code(folder.name)}
    try:
        for path in sorted(TEMPLATE.rglob("*")):
            if path.is_file():
                target = beside / _fill(str(path.relative_to(TEMPLATE)), words)
                make_folder(target.parent)
                write_file(target, _fill(path.read_text(), words).encode())
        described = load(beside / "semesters" / semester)
        move_folder(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return described.model_copy(update={"folder": folder / "semesters" / semester})


def choose_code(name: str) -> str:
    """Return the code of the course in a folder called `name`: "CS-202" for cs-202, "NEW-1" where it is no code."""
    return name.upper() if re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*", name) and len(name) <= 20 else "NEW-1"


def choose_semester(today: date) -> str:
    """Return the semester that a day belongs to: "2027-spring" until the end of June, "2027-autumn" after it."""
    return f"{today.year}-{'spring' if today.month <= 6 else 'autumn'}"


def _fill(text: str, words: dict[str, str]) -> str:
    for place, word in words.items():
        text = text.replace(place, word)
    return text
