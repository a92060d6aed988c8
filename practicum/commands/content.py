"""What students read and run, as files of this machine: with the versions of the lock, or for every product."""

from pathlib import Path

from practicum.course.content import MANIFEST, OWN_PLACE, assemble, fill_in, publish
from practicum.semester.description import Semester
from practicum.semester.locks import find_lock
from practicum.semester.settings import describe_content
from practicum.wheels.lockfile import read_lock


def make_content(semester: Semester, folder: Path, *, solutions: bool) -> None:
    """Write the course's content as students get it, with `solutions` whatever the description says.

    Raises PracticumError as `course.content.publish` does, and without a lock for the CPU.
    """
    wanted = semester.content
    versions = {package.name: package.version for package in read_lock(find_lock(semester, "cpu"))}
    solutions, named = solutions or wanted.solutions, describe_content(semester)
    publish(semester.content_root, wanted.include, folder, solutions=solutions, versions=versions, release=named)


def assemble_content(semester: Semester, out: Path) -> Path:
    """Write the content for every product into the new folder `out`, and return the path of its manifest.

    Pages name packages as in course_content/, because each product fills in its own versions. Raises PracticumError as
    `course.content.assemble` does, and when a page names a package that one of the products lacks.
    """
    wanted, named = semester.content, describe_content(semester)
    assemble(semester.content_root, wanted.include, out, solutions=wanted.solutions, release=named)
    locks = [find_lock(semester, variant, one) for variant in semester.variants for one in semester.built_for]
    common = set.intersection(*({package.name for package in read_lock(lock)} for lock in locks))
    shown = dict.fromkeys((*common, OWN_PLACE), "")
    for page in sorted(out.rglob("*.md")):
        fill_in(page.read_bytes(), shown, page.relative_to(out))
    return out / MANIFEST
