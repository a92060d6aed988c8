"""How the lock files of a semester are read as text."""

from collections.abc import Iterator
from pathlib import Path

from practicum.engine.errors import PracticumError


def split_logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Give line number and text of each line that says something; a line ending in a backslash goes on in the next."""
    number, parts = 0, ""
    for count, line in enumerate(text.splitlines(), start=1):
        said = line.partition("#")[0] if line.startswith("#") else line
        number = number if parts else count
        parts += f" {said.removesuffix(chr(92))}"
        if not said.endswith("\\"):
            if parts.strip():
                yield number, parts.strip()
            parts = ""


def read_text(path: Path) -> str:
    """Return the text of a lock; raises PracticumError with the command that writes it anew."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise PracticumError(
            label_of(path), "cannot be read as text", f"run: practicum lock {path.parent.name}"
        ) from None


def label_of(path: Path) -> str:
    """Return the path of a lock as messages name it: semesters/<id>/<file>."""
    return "/".join(path.parts[-3:])
