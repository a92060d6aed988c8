"""Runs course-check's checks on a student's file made for a test, in this process."""

from collections.abc import Iterable
from pathlib import Path

from course_tools.check.run_checks import Result, examine, load_checks, load_student, run_checks
from course_tools.check.student_file import read_code

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
    return write_lines(examine(number, path))


def list_first(number: int, text: str, folder: Path) -> list[str]:
    """What `list_all` gives up to the first check that is not passed: those that follow are not run."""
    path = folder / f"practical_{number}.py"
    path.write_text(text)
    checks = load_checks(number)
    results = []
    for _, result in run_checks(checks, load_student(read_code(path), checks)):
        results.append(result)
        if result.lines:
            break
    return write_lines(results)


def write_lines(results: Iterable[Result]) -> list[str]:
    """`status line` for each finding of a check, then its notes."""
    lines = []
    for result in results:
        lines += [f"{result.status} {line}" for line in result.lines]
        lines += [f"note {note}" for note in result.notes]
    return list(dict.fromkeys(lines))
