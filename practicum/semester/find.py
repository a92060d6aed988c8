"""Where the course is, and which semesters it describes."""

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from practicum.architecture import NAMES, Architecture, find_native
from practicum.engine.errors import PracticumError
from practicum.semester.description import Semester, load
from practicum.semester.folders import COURSE, SEMESTERS, is_course
from practicum.semester.toml_errors import suggest

if TYPE_CHECKING:
    from practicum.semester.locks import Variant


SEASONS = (("winter",), ("spring",), ("summer",), ("fall", "autumn"))
"""The seasons of a year in their order, in the words that the name of a semester may have."""

TARGETS = "ova|docker|archive|inputs|release|content-release|lock|site|lectures"
"""The goals of make that messages name and that are about one course."""


def find_root(start: Path | None = None) -> Path:
    """Return the folder of the course: the one that PRACTICUM_COURSE names, else the nearest one with semesters/.

    The nearest is looked for above the working folder, then above this package. Raises PracticumError where there is
    none.
    """
    if named := os.environ.get(COURSE):
        if not is_course(Path(named)):
            told = shlex.quote(named)
            raise PracticumError(named, "no course: it has no folder semesters/", f"make one: practicum new {told}")
        return Path(named).resolve()
    for folder in (start or Path.cwd(), Path(__file__).parent):
        for candidate in (folder, *folder.parents):
            if is_course(candidate):
                return candidate
    raise PracticumError("semesters/", "no such folder here or above", "name a course: practicum --course FOLDER")


def name_course(text: str) -> str:
    """Return a message with the course that PRACTICUM_COURSE names in the commands that it tells to type."""
    if not (named := os.environ.get(COURSE)):
        return text
    folder = shlex.quote(named)
    text = re.sub(r"(?<=: )practicum (?!new\b|--)(?=[a-z])", lambda _: f"practicum --course {folder} ", text)
    return re.sub(rf"(?<=: )make (?:{TARGETS})(?![\w-])", lambda found: f"{found[0]} COURSE={folder}", text)


def list_semesters(root: Path) -> list[str]:
    """Return the names of the described semesters, oldest first."""
    return sort_semesters([file.parent.name for file in (root / SEMESTERS).glob("*/semester.toml")])


def sort_semesters(names: Iterable[str]) -> list[str]:
    """Return the names of semesters, oldest first: by year, then by season, then by the alphabet.

    A name without a season follows those of its year that have one.
    """
    return sorted(names, key=lambda name: (name[:4], _rank_season(name.split("-")), name))


def _rank_season(words: list[str]) -> int:
    ranks = (rank for rank, season in enumerate(SEASONS) if {*season} & {*words})
    return next(ranks, len(SEASONS))


def find_semester(name: str) -> Semester:
    """Return the semester of that name or at that path, the newest for "".

    Raises PracticumError when there is none, with the nearest name.
    """
    if "/" in name and (folder := find_folder(Path(name))):
        return load(folder)
    root = find_root()
    known = list_semesters(root)
    if not known:
        raise PracticumError(f"{root}/{SEMESTERS}", "no semester is described", "make a course: practicum new FOLDER")
    if name and name not in known:
        raise PracticumError(name, "no such semester", suggest(name, known, f"known: {', '.join(known)}"))
    return load(root / SEMESTERS / (name or known[-1]))


def find_folder(path: Path) -> Path | None:
    """Return the folder of a semester at `path`, which may also be that of its description; None if nothing is there.

    Whether the folder describes a semester, `load` says.
    """
    folder = path.parent if path.name == "semester.toml" else path
    return folder if os.path.lexists(folder) and len(folder.absolute().parts) > 2 else None


def choose_images(semester: Semester, wanted: "Variant | None") -> "tuple[Variant, ...]":
    """Return the container images to build: `wanted`, or None for all that the description names.

    Raises PracticumError when it does not name them.
    """
    if not wanted and semester.images:
        return semester.images
    require_product(semester, wanted or "cpu")
    return (wanted,) if wanted else ()


def require_product(semester: Semester, product: str) -> None:
    """Raise PracticumError when the description does not name `product`."""
    if product == "cuda" and not semester.has_torch:
        where = f"semesters/{semester.id}/semester.toml"
        raise PracticumError(where, "the cuda image needs torch, which python.requires does not name", "build cpu")
    if product not in semester.products:
        raise PracticumError(
            f"semesters/{semester.id}/semester.toml",
            f"products does not name {product}",
            f"add it there, or build what it names: {', '.join(semester.products)}",
        )


def choose_architectures(semester: Semester, wanted: str) -> tuple[Architecture, ...]:
    """Return the architectures that `wanted` names: one, "all" of the description, or "" for this machine's own.

    Raises PracticumError for an unknown one, and for one that the description does not name.
    """
    described = semester.built_for
    if wanted == "all":
        return described
    if wanted and wanted not in NAMES:
        raise PracticumError(f"--arch={wanted}", "no such architecture", f"known: all, {', '.join(NAMES)}")
    chosen = [one for one in described if one.name == wanted or (not wanted and one == find_native())]
    if not chosen:
        named = ", ".join(one.name for one in described)
        asked = wanted or "the architecture of this machine"
        raise PracticumError(
            f"semesters/{semester.id}/semester.toml",
            f"architectures does not name {asked}",
            f"add it there, or choose of {named}: ARCH={described[0].name}",
        )
    return tuple(chosen)
