"""What course-check tells: the report on one file, the table of a class, and the same for programs (--json)."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from course_tools.check.child import Exercise
from course_tools.check.run_checks import OK, TODO, WRONG

NOTE = "note"
COLOURS = {OK: "32", WRONG: "31", TODO: "33", NOTE: "36"}


@dataclass
class Outcome:
    """What was found in one file; `problem` is why it could not be checked, or not to its end."""

    path: Path
    exercises: list[Exercise] = field(default_factory=list)
    problem: str = ""

    @property
    def right(self) -> bool:
        """Whether all that is asked is there and right."""
        return not self.problem and all(exercise.status == OK for exercise in self.exercises)

    def count(self, status: str) -> int:
        """Return how many exercises ended so."""
        return sum(exercise.status == status for exercise in self.exercises)


def format_line(word: str, text: str, *, colour: bool) -> str:
    """Return a line of the report, which begins with one of the words in COLOURS."""
    padded = f"{word:<5}"
    return f"\033[{COLOURS[word]}m{padded}\033[0m  {text}" if colour else f"{padded}  {text}"


def format_exercise(exercise: Exercise, *, colour: bool) -> str:
    """Return `exercise` as lines of the report."""
    lines = [format_line(exercise.status, line, colour=colour) for line in exercise.lines or [exercise.label]]
    return "\n".join(lines + [format_line(NOTE, note, colour=colour) for note in exercise.notes])


def format_summary(statuses: Sequence[str]) -> str:
    """Return the last line: how many are right, wrong, not done."""
    right, wrong, todo = (statuses.count(status) for status in (OK, WRONG, TODO))
    if right == len(statuses):
        return f"all {right} right" if right > 1 else "right"
    words = [f"{right} of {len(statuses)} right"]
    words += [f"{wrong} wrong"] * (wrong > 0) + [f"{todo} not done"] * (todo > 0)
    return ", ".join(words)


def format_head(width: int) -> str:
    """Return the head of the table of a class, whose first column is so wide."""
    return f"{'file':<{width}}  right  wrong   todo  notes  not right"


def format_row(outcome: Outcome, name: str, width: int) -> str:
    """Return the line of one file."""
    counts = [outcome.count(status) for status in (OK, WRONG, TODO)]
    counts.append(sum(len(exercise.notes) for exercise in outcome.exercises))
    rest = [exercise.label for exercise in outcome.exercises if exercise.status != OK]
    words = ", ".join(rest) + (f"{'; ' if rest else ''}{outcome.problem}" if outcome.problem else "")
    return f"{name:<{width}}  {'  '.join(f'{count:>5}' for count in counts)}  {words}".rstrip()


def write_json(target: str, number: int, outcomes: Sequence[Outcome]) -> None:
    """Write what was found to the file `target`, which appears when it is whole, or to the output for `-`."""
    content = {"practical": number, "files": [describe(outcome) for outcome in outcomes]}
    text = json.dumps(content, indent=1) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    new = Path(f"{target}.new{os.getpid()}")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)


def describe(outcome: Outcome) -> dict[str, object]:
    """Return an outcome as it is written."""
    exercises = [
        {"label": one.label, "status": one.status, "lines": one.lines, "notes": one.notes} for one in outcome.exercises
    ]
    counts = {"ok": outcome.count(OK), "wrong": outcome.count(WRONG), "todo": outcome.count(TODO)}
    return {"path": str(outcome.path), "right": outcome.right, "problem": outcome.problem, **counts,
            "exercises": exercises}  # fmt: skip


def wants_colour() -> bool:
    """Return whether the output is a terminal that shows colours to a user who likes them."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
