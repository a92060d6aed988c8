"""Where the checkout is, and which semesters it describes."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from practicum.architecture import NAMES, Architecture, find_native
from practicum.engine.errors import PracticumError
from practicum.semester.description import Semester, load
from practicum.semester.toml_errors import suggest

if TYPE_CHECKING:
    from practicum.semester.locks import Variant


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
    """Return the semester of that name or at that path, the newest for "".

    Raises PracticumError when there is none, with the nearest name.
    """
    if Path(name, "semester.toml").is_file() and "/" in name:
        return load(Path(name))
    root = find_root()
    known = list_semesters(root)
    if not known:
        raise PracticumError(f"{root}/semesters", "no semester is described", "see docs/ for how to start one")
    if name and name not in known:
        raise PracticumError(name, "no such semester", suggest(name, known, f"known: {', '.join(known)}"))
    return load(root / "semesters" / (name or known[-1]))


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
