"""Runs course-check's checks on a student's file made for a test, in this process."""

from pathlib import Path

from course_tools.check.run_checks import examine

PRACTICALS = Path(__file__).parents[2] / "course_content/practicals"


def read_solution(number: int) -> str:
    """The text of the reference solution of practical `number`."""
    return (PRACTICALS / f"practical-{number}/solutions/practical_{number}.py").read_text()


def vary(text: str, *changes: tuple[str, str]) -> str:
    """`text` with each (old, new) replaced; each old must be there once, so that no change is lost unseen."""
    for old, new in changes:
        assert text.count(old) == 1, f"{text.count(old)} times in the solution: {old}"
        text = text.replace(old, new)
    return text


def list_lines(number: int, text: str, folder: Path) -> list[str]:
    """What is told of a file with this `text`: `status line` for each finding, nothing for what is right, no notes."""
    return [line for line in list_all(number, text, folder) if not line.startswith("note ")]


def list_all(number: int, text: str, folder: Path) -> list[str]:
    """The same with `note line` for each note."""
    path = folder / f"practical_{number}.py"
    path.write_text(text)
    lines = []
    for result in examine(number, path):
        lines += [f"{result.status} {line}" for line in result.lines]
        lines += [f"note {note}" for note in result.notes]
    return list(dict.fromkeys(lines))
