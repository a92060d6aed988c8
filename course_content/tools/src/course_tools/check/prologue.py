"""The course's prologue, and one of earlier years beside a student's file, which hides it."""

import sys
from collections.abc import Iterable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

NAME = "dlc_practical_prologue"
FILE = f"{NAME}.py"


def list_places(path: Path) -> list[Path]:
    """Return the folders in which the course's prologue can be, for a student's file `path`."""
    return [path.parent.parent.parent / "prologue", Path("/opt/course/content/prologue")]


def find_ours(path: Path, more: Iterable[str] = ()) -> Path | None:
    """Return the course's prologue: not the one beside `path`; `more` are folders to look into first."""
    for folder in [*map(Path, more), *list_places(path)]:
        if (folder / FILE).is_file() and folder.resolve() != path.parent.resolve():
            return folder / FILE
    return None


def find_hiding(path: Path, more: Iterable[str] = ()) -> Path | None:
    """Return the prologue beside `path` when it is another one than the course's, which Python then does not see."""
    beside, ours = path.parent / FILE, find_ours(path, more)
    if ours is None or not beside.is_file():
        return None
    return None if beside.read_bytes() == ours.read_bytes() else beside


def load(path: Path) -> None:
    """Import the prologue in the file `path`, whatever else has its name."""
    if spec := spec_from_file_location(NAME, path):
        module = module_from_spec(spec)
        sys.modules[NAME] = module
        if spec.loader:
            spec.loader.exec_module(module)


def explain_hiding(beside: Path) -> str:
    """Return what to do about a prologue that hides the course's."""
    return f"{beside} is not this year's and hides the course's own: mv {beside} {beside.with_name('old_prologue.py')}"
