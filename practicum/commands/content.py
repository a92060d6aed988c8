"""What students read and run, as files of this machine: with the versions of the lock, or for every product."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from practicum.course.content import MANIFEST, OWN_PLACE, assemble, fill_in, publish
from practicum.course.site.facts import read_facts
from practicum.course.solutions import DATED, Solutions, find_date
from practicum.course.weeks import PAGE
from practicum.semester.description import Semester
from practicum.semester.locks import find_lock
from practicum.semester.settings import describe_content, describe_site, describe_solutions
from practicum.wheels.lockfile import read_lock


def make_content(semester: Semester, folder: Path, *, solutions: bool) -> None:
    """Write the course's content as students get it, with `solutions` whatever the description says.

    Raises PracticumError as `course.content.publish` does, and without a lock for the CPU.
    """
    wanted = semester.content
    versions = {package.name: package.version for package in read_lock(find_lock(semester, "cpu"))}
    publish(
        semester.content_root,
        wanted.include,
        folder,
        solutions=solutions or describe_solutions(wanted.solutions),
        versions=versions,
        release=describe_content(semester),
        facts=read_facts(describe_site(semester)),
    )


def assemble_content(semester: Semester, out: Path) -> Path:
    """Write the content for every product into the new folder `out`, and return the path of its manifest.

    Pages name packages as in course_content/, because each product fills in its own versions. Raises PracticumError as
    `course.content.assemble` does, and when a page names a package that one of the products lacks.
    """
    wanted, named = semester.content, describe_content(semester)
    solutions, facts = describe_solutions(wanted.solutions), read_facts(describe_site(semester))
    assemble(semester.content_root, wanted.include, out, solutions=solutions, release=named, facts=facts)
    locks = [find_lock(semester, variant, one) for variant in semester.variants for one in semester.built_for]
    common = set.intersection(*({package.name for package in read_lock(lock)} for lock in locks))
    shown = dict.fromkeys((*common, OWN_PLACE), "")
    for page in sorted(out.rglob("*.md")):
        fill_in(page.read_bytes(), shown, page.relative_to(out))
    return out / MANIFEST


def select_content(
    files: Mapping[str, str], include: Sequence[str], solutions: Solutions, course: Mapping[str, Any]
) -> dict[str, str]:
    """Return the files that students get, by their path in course_content/, as course/content.py selects them.

    files: path -> digest of all of them. course: the table [course]. A dated file has its date beside the digest, and
    the page of the sessions what the description says of them: a change of these is a change of the content.
    """
    chosen = {}
    for path, digest in files.items():
        date = find_date(PurePosixPath(path), solutions)
        if date is not None and any(path == part or path.startswith(f"{part}/") for part in include):
            chosen[f"{DATED}/{path}" if date else path] = f"{digest} {date}".strip()
    shown = {key: course[key] for key in ("info", "links", "sessions") if key in course}
    return chosen | ({PAGE: json.dumps(shown, sort_keys=True, default=str)} if shown else {})
