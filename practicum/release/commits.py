"""Records by name: of a release, of the checkout as it is, and of a commit that was not released.

What git keeps is enough for the last two: the locks name the packages, and the blobs of course_content/ the content.
"""

import re
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

from practicum.architecture import AMD64, ARCHITECTURES
from practicum.commands.content import select_content
from practicum.engine.errors import PracticumError
from practicum.engine.publish import write_text
from practicum.engine.run import read
from practicum.release.contents import list_names, read_floors
from practicum.release.record import NAMED, Product, Record, read_record
from practicum.semester.find import list_semesters, sort_semesters
from practicum.semester.revision import format_date, read_revision
from practicum.semester.settings import describe_solutions
from practicum.semester.values import PRODUCTS
from practicum.wheels.debian_lock import read_debian
from practicum.wheels.lockfile import read_lock

CONTENT = "course_content/"
RELEASE = re.compile(r"(?P<semester>.+)-r(?P<number>[1-9]\d*)")
"""The name of a release, which is also its tag in git."""


def read_pair(root: Path, old: str, new: str) -> tuple[Record, Record]:
    """Return the records of two names, which `read_named` explains, in a form in which they can be compared.

    Where only one of them was released, its commit is taken in its place: the packages inside a product cannot be
    compared with a lock, nor a notebook with its source.
    """
    semester = next((known for name in (new, old) if (known := semester_of(root, name))), "")
    one, other = (read_named(root, name, semester) for name in (old, new))
    if bool(one.number) == bool(other.number):
        return one, other
    if one.number:
        return read_commit(root, one.revision, one.semester), other
    return one, read_commit(root, other.revision, other.semester)


def read_named(root: Path, name: str, semester: str = "") -> Record:
    """Return the record of a release (2027-spring-r1), a semester (its files as they are here) or a commit.

    semester: which one a commit is asked about; the newest that it describes for "". Raises PracticumError for a name
    that is none of these.
    """
    match = RELEASE.fullmatch(name)
    if match and (path := record_path(root, match["semester"], int(match["number"]))).exists():
        return read_record(path)
    if name in list_semesters(root):
        return read_checkout(root, name)
    return read_commit(root, name, semester)


def semester_of(root: Path, name: str) -> str:
    """Return the semester that the name of a release or semester says, "" for a commit."""
    match = RELEASE.fullmatch(name)
    known = match["semester"] if match else name
    return known if known in list_semesters(root) else ""


def record_path(root: Path, semester: str, number: int) -> Path:
    return root / "semesters" / semester / "releases" / f"{number}.json"


def list_releases(root: Path, semester: str) -> list[Record]:
    """Return the committed records of a semester, the first release first."""
    paths = (root / "semesters" / semester / "releases").glob("*.json")
    return [read_record(path) for path in sorted(paths, key=lambda path: int(path.stem))]


def find_previous(root: Path, semester: str, number: int) -> Record | None:
    """Return the release before release `number` of the semester, maybe one of an earlier semester; None for none."""
    known = list_semesters(root)
    for earlier in reversed(known[: known.index(semester) + 1]):
        before = [one for one in list_releases(root, earlier) if earlier != semester or one.number < number]
        if before:
            return before[-1]
    return None


def read_checkout(root: Path, semester: str) -> Record:
    """Return what the files of the checkout say, whether they are committed or not."""
    git = git_of(root)
    listed = read([*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard", CONTENT], step="git")
    paths = [path for path in sorted(set(listed.split("\0"))) if path and (root / path).is_file()]
    blobs = read([*git, "hash-object", "--", *paths], step="git").split() if paths else []
    revision = read_revision(root)
    return describe_files(root, semester, dict(zip(paths, blobs, strict=True)), revision.full, revision.date)


def read_commit(root: Path, name: str, semester: str = "") -> Record:
    """Return what git knows of a commit, given by any of its names; raises PracticumError when it is not here."""
    git = git_of(root)
    try:
        commit = read([*git, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"], step="git").strip()
    except PracticumError:
        known = ", ".join(list_semesters(root))
        cure = f"name a release (2027-spring-r1), a commit or one of: {known}; a shallow clone: git fetch --unshallow"
        raise PracticumError(name, "no release, semester or commit of this repository", cure) from None
    listed = read([*git, "ls-tree", "-r", "-z", commit, "semesters", CONTENT], step="git")
    entries = (entry.split("\t", 1) for entry in listed.split("\0") if entry)
    blobs = {path: told.split()[2] for told, path in entries}
    described = [path.split("/")[1] for path in blobs if re.fullmatch(r"semesters/[^/]+/semester\.toml", path)]
    semester = semester or next(reversed(sort_semesters(described)), "")
    if semester not in described:
        raise PracticumError(name, f"describes no semester {semester}", f"it describes: {', '.join(described)}")
    seconds = read([*git, "log", "-1", "--format=%ct", commit], step="git")
    with tempfile.TemporaryDirectory() as scratch:
        for path in blobs:
            if path.startswith(f"semesters/{semester}/") or path == "semesters/security-floors.toml":
                write_text(Path(scratch, path), read([*git, "show", f"{commit}:{path}"], step="git"))
        return describe_files(Path(scratch), semester, blobs, commit, format_date(int(seconds)))


def git_of(root: Path) -> list[str]:
    """Return how git is asked about the checkout, also by root in what a user cloned."""
    return ["git", "-c", f"safe.directory={root}", "-C", str(root)]


def describe_files(root: Path, semester: str, blobs: Mapping[str, str], revision: str, created: str) -> Record:
    """Return the record of a semester's files below `root`; blobs: path -> git's hash of each file."""
    folder, floors = root / "semesters" / semester, root / "semesters/security-floors.toml"
    described = tomllib.loads((folder / "semester.toml").read_text())
    included, solutions = described["content"]["include"], described["content"].get("solutions", False)
    files = {path.removeprefix(CONTENT): blob for path, blob in blobs.items() if path.startswith(CONTENT)}
    content = select_content(files, included, describe_solutions(solutions), described["course"])
    named = described.get("architectures", [AMD64.name])
    found = {}
    kinds = described.get("products", PRODUCTS)
    for name in list_names(kinds, [one for one in ARCHITECTURES if one.name in named]):
        kind, suffix = NAMED[name][0], NAMED[name][1].suffix
        recorded = folder / f"debian{suffix}.lock"
        debian = read_debian(recorded) if recorded.exists() else {}
        lock = folder / f"python-{'cuda' if kind == 'cuda' else 'cpu'}{suffix}.lock"
        python = {package.name: package.version for package in read_lock(lock)} if lock.exists() else {}
        # The runtime has the version of CUDA in front: 13.0.96.
        cuda = ".".join(python.get("nvidia-cuda-runtime", "").split(".")[:2])
        found[name] = Product(debian=debian, python=python, content=content, cuda=cuda)
    known = read_floors(floors.read_text()) if floors.exists() else {}
    return Record(semester=semester, number=0, revision=revision, created=created, products=found, floors=known)
