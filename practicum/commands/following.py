"""`practicum next`: a semester made from an earlier one."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import TypeAdapter, ValidationError

from practicum.architecture import NAMES
from practicum.course.site.documents import STUDENTS
from practicum.engine.errors import PracticumError
from practicum.engine.publish import move_folder, write_text
from practicum.semester.description import Semester, load
from practicum.semester.locks import Variant, find_lock
from practicum.semester.values import Season

OF_ONE_SEMESTER = ("releases", "content")
"""Folders of a semester that the next one begins without."""

IN_DOCKER = ("docker/**/*.yaml", "docker/devcontainer/*", "docker/hub/*")
EXAMPLES = (*IN_DOCKER, "README.md", "docs/docker-stacks.md", *STUDENTS)
"""Files that name the newest semester in what people copy, so that a program may change the name."""

PAGES = ("README.md", "docs/*.md")
"""Pages whose sentences may be about the old semester: a person looks at what still names it."""

ENDS = rf"-(?:{'|'.join((*get_args(Variant), *NAMES))}|content|disk\d+|r\d+)\b"
"""What follows the name of a semester in the name of a file, an image or a release."""


def make_next(earlier: Semester, name: str) -> Semester:
    """Write the description and locks of semester `name` after those of `earlier`, and return what `load` says of it.

    The files of EXAMPLES then name the new one. Raises PracticumError when `name` is there or cannot be a name, and
    when the earlier semester lacks a lock.
    """
    target = earlier.folder.parent / name
    check_name(name)
    if target.exists():
        raise PracticumError(f"semesters/{name}", "is there already", f"look at it: practicum check {name}")
    for variant in earlier.variants:
        for architecture in earlier.built_for:
            find_lock(earlier, variant, architecture)
    beside = target.with_name(f".{name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        shutil.copytree(earlier.folder, beside, ignore=shutil.ignore_patterns(*OF_ONE_SEMESTER))
        for path in beside.iterdir():
            write_text(path, rename(path.read_text(), earlier.id, name))
        file = beside / "semester.toml"
        write_text(file, begin_releases_again(file.read_text()))
        move_folder(beside, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    made = load(target)
    for path in list_files(made.course_root, EXAMPLES):
        write_text(path, rename(path.read_text(), earlier.id, name))
    return made


def check_name(name: str) -> None:
    """Raise PracticumError for what cannot be the name of a semester."""
    try:
        TypeAdapter(Season).validate_python(name)
    except ValidationError as failure:
        reason, _, cure = failure.errors()[0]["msg"].partition("; ")
        raise PracticumError(name, reason, cure) from None


def rename(text: str, old: str, new: str) -> str:
    """Return `text` with the name of the semester `new` in place of `old`.

    Not where a longer name has it, or in a line about `practicum next`.
    """
    name = re.compile(rf"(?<!\w){re.escape(old)}(?!\w|(?!{ENDS})-[a-z0-9])")
    lines = text.splitlines(keepends=True)
    return "".join(line if " --from " in line else name.sub(new, line) for line in lines)


def begin_releases_again(description: str) -> str:
    """Return a description whose content release is the first one; comments stay."""
    return re.sub(r"^(\[content\](?:\n(?!\[).*)*?\nrelease *= *)\d+", r"\g<1>1", description, flags=re.MULTILINE)


def list_mentions(course: Path, name: str) -> Iterator[str]:
    """Yield "README.md: 3 lines" for each page that names a semester."""
    for path in list_files(course, PAGES):
        lines = sum(name in line for line in path.read_text().splitlines())
        if lines:
            yield f"{path.relative_to(course)}: {lines} line{'s' * (lines > 1)}"


def list_files(course: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Return the files of the course that the patterns name, sorted."""
    return sorted(path for pattern in patterns for path in course.glob(pattern))
