"""The course's content as the student gets it: the included paths of course_content/, with a list of their hashes."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath

from packaging.version import Version

from practicum.course import notebooks
from practicum.course.site.facts import Facts
from practicum.course.solutions import DATED, Solutions, find_date
from practicum.course.weeks import PAGE, Weeks, read_title
from practicum.engine.errors import PracticumError
from practicum.engine.publish import move_folder

MANIFEST = "manifest.json"
LEFTOVERS = {"__pycache__", "node_modules"}
LEFTOVER_SUFFIXES = {".pyc", ".pyo", ".tmp", ".orig", ".rej"}

PLACE = re.compile(rb"\{\{ ([a-z0-9-]+) \}\}")
"""Where a Markdown page names the version of a package, by the package's canonical name: {{ torch }}."""

OWN_PLACE = "content-release"
"""What stands in such a place for the number of the content release itself."""


def assemble(
    course_content: Path,
    include: Sequence[str],
    out: Path,
    *,
    solutions: Solutions,
    versions: Mapping[str, str] | None = None,
    release: Mapping[str, str | int] | None = None,
    facts: Facts | None = None,
) -> None:
    """Copy `include`, paths inside `course_content`, into the new or empty folder `out`.

    Solutions come as `solutions` says, those with a date in the folder .dated; caches and hidden files never; a
    `.nb.py` comes as the notebook it describes. versions: of the Python packages that are installed, by canonical name,
    which Markdown pages show; None where nothing is installed. release: {"course": code, "semester": ..., "release":
    number}, None where the content has no number. facts: the course, whose sessions and links pages show, and of whose
    sessions there is a page beside the lectures. `out` then holds manifest.json, {"version": 1, **release, "files":
    {"relative/path": "sha256"}, "dates": {".dated/relative/path": "2027-03-01"}}, the same bytes for the same content,
    and files of mode 0644 in folders of mode 0755. Raises PracticumError when a path is missing or cannot be copied,
    when two files would come under one name, or when a page names a package that is not among `versions`.
    """
    if out.exists() and any(out.iterdir()):
        raise PracticumError(str(out), "not empty", "remove it: the content is assembled from nothing")
    files = sorted({path for part in include for path in list_files(course_content, part, solutions=solutions)})
    if not files:
        raise PracticumError(
            str(course_content), f"content.include = {[*include]} selects no file", "name a path that has one"
        )
    shown = None if versions is None else list_shown(versions, release)
    weeks = facts and Weeks(facts, list_titles(course_content, files))
    make_folder(out)
    hashes: dict[str, str] = {}
    dates: dict[str, str] = {}
    for source in files:
        path = notebooks.built_name(source)
        if str(path) in hashes or (path != source and path in files):
            raise PracticumError(
                str(course_content / path), f"{source} becomes this file, too", "remove one of the two"
            )
        data = notebooks.build(course_content / source) if path != source else (course_content / source).read_bytes()
        if path.suffix == ".md":
            data = weeks.fill_in(data, str(path)) if weeks else data
            data = data if shown is None else fill_in(data, shown, course_content / source)
        if date := find_date(source, solutions):
            path = DATED / path
            dates[str(path)] = date
        make_folder(out / path.parent)
        write_file(out / path, data)
        hashes[str(path)] = sha256(data).hexdigest()
    if weeks and (page := weeks.make_page()) and PAGE not in hashes:
        write_file(out / PAGE, page)
        hashes[PAGE] = sha256(page).hexdigest()
    manifest = {"version": 1, **(release or {}), "files": hashes, **({"dates": dates} if dates else {})}
    write_file(out / MANIFEST, (json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())


def list_titles(course_content: Path, files: Sequence[PurePosixPath]) -> dict[str, str]:
    """Return the titles of the notebooks among `files`, without solutions, by their path in the student's folder."""
    built = {path: notebooks.built_name(path) for path in files if find_date(path, solutions=False) is not None}
    return {str(name): read_title(course_content / path) for path, name in built.items() if name.suffix == ".ipynb"}


def list_shown(versions: Mapping[str, str], release: Mapping[str, str | int] | None) -> dict[str, str]:
    """Return what pages show in place of each name: the number of the content release, and versions of packages.

    versions: by canonical name. Of a version, pages show what comes before a "+", the public version (PEP 440).
    """
    own = {OWN_PLACE: str(release["release"])} if release else {}
    return {**{name: Version(version).public for name, version in versions.items()}, **own}


def fill_in(page: bytes, shown: Mapping[str, str], where: Path) -> bytes:
    """Return `page` with what its places stand for; raises PracticumError as `assemble` does."""

    def find_version(place: re.Match[bytes]) -> bytes:
        name = place[1].decode()
        if name not in shown:
            reason = f"{place[0].decode()} stands for the version of a package that no lock names"
            raise PracticumError(str(where), reason, "name a package of python.requires")
        return shown[name].encode()

    return PLACE.sub(find_version, page)


def publish(
    course_content: Path,
    include: Sequence[str],
    folder: Path,
    *,
    solutions: Solutions,
    versions: Mapping[str, str] | None = None,
    release: Mapping[str, str | int] | None = None,
    facts: Facts | None = None,
) -> None:
    """`assemble` into `folder`, which appears when it is complete, in the place of an earlier one.

    Raises PracticumError as `assemble` does, and when `folder` is something else.
    """
    if folder.exists() and not (folder / MANIFEST).is_file():
        raise PracticumError(
            str(folder), "something else is there", "name a new folder, or one that was made by this command"
        )
    beside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        assemble(course_content, include, beside, solutions=solutions, versions=versions, release=release, facts=facts)
        move_folder(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def list_files(course_content: Path, part: str, *, solutions: Solutions) -> Iterator[PurePosixPath]:
    """Return the files at an included path, as paths in `course_content`; raises PracticumError as `assemble` does."""
    start = course_content / part
    if ".." in PurePosixPath(part).parts or PurePosixPath(part).is_absolute():
        raise PracticumError("content.include", f"{part!r} leaves {course_content}", "name a path inside it")
    if not start.exists() and not start.is_symlink():
        there = ", ".join(sorted(path.name for path in course_content.glob("[!.]*"))) or "nothing"
        raise PracticumError(
            "content.include", f"{part!r} is not in {course_content}", f"name one of {there}, or create it"
        )
    for path in walk(start):
        inside = PurePosixPath(path.relative_to(course_content).as_posix())
        if find_date(inside, solutions) is None:
            continue
        if path.is_symlink() or not path.is_file():
            raise PracticumError(str(path), "only plain files can be content", "replace it by a copy")
        if str(inside) == MANIFEST:
            raise PracticumError(str(path), "this name belongs to the list of the files", "rename it")
        yield inside


def walk(path: Path) -> Iterator[Path]:
    """Everything below `path` that is neither a folder nor a leftover of a program."""
    if path.is_symlink() or not path.is_dir():
        yield path
        return
    for child in sorted(path.iterdir()):
        if not (child.name.startswith(".") or child.name in LEFTOVERS or child.suffix in LEFTOVER_SUFFIXES):
            yield from walk(child)


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents with mode 0755, whatever the umask is."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)


def write_file(path: Path, data: bytes) -> None:
    """Write `data` with mode 0644; raises PracticumError when the disk is full or the folder is protected."""
    try:
        path.write_bytes(data)
        path.chmod(0o644)
    except OSError as error:
        raise PracticumError(str(path), str(error.strerror), "make room or choose another folder") from error
