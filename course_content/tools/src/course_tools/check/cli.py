"""`course-check N [FILE]`: is what I wrote for practical N right, and if not, what is wrong.

With a folder, the same for all files of the practical in it, one line a file: an assistant checks a class.
"""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from course_runtime.machine.machine import CourseError, Machine

from course_tools.check import prologue
from course_tools.check.child import Exercise, run
from course_tools.check.find import find_class, find_files, list_folders, show_path
from course_tools.check.practicals import PRACTICALS
from course_tools.check.report import (
    NOTE,
    Outcome,
    format_exercise,
    format_head,
    format_line,
    format_row,
    format_summary,
    wants_colour,
    write_json,
)
from course_tools.check.run_checks import WRONG
from course_tools.check.student_file import UnusableFileError, read_code

FILE_LIMIT = 300.0  # seconds for one file of a class


def check(number: int, file: str | None, time_limit: float | None = None) -> Outcome:
    """Check one file and print the report; return what was found. Raise UnusableFileError and CourseError."""
    found = [Path(file)] if file else find_files(number, PRACTICALS[number], list_folders(number, Machine()))
    path, *older = [path.absolute() for path in found]
    code = read_code(path)
    require_torch()
    beside = f", which you changed after {show_path(older[0])}" if older else ""
    print(f"practical {number}: {show_path(path)}{beside}", flush=True)
    colour = wants_colour()
    if hiding := prologue.find_hiding(path, sys.path):
        print(format_line(NOTE, prologue.explain_hiding(hiding), colour=colour))
    outcome = Outcome(path)
    if code.problems:
        for problem in code.problems:
            outcome.exercises.append(Exercise("", set(), WRONG, [problem]))
            print(format_exercise(outcome.exercises[-1], colour=colour))
        return outcome
    for exercise in run(number, path, time_limit):
        print(format_exercise(exercise, colour=colour), flush=True)
        outcome.exercises.append(exercise)
    print(format_summary([exercise.status for exercise in outcome.exercises]))
    return outcome


def check_class(number: int, folder: Path, time_limit: float | None, file_limit: float) -> list[Outcome]:
    """Check all files of a folder, each in a process of its own, and print a line for each when it is done.

    Raise UnusableFileError when there are none.
    """
    practical = PRACTICALS[number]
    paths = find_class(folder, number, practical)
    if not paths:
        raise UnusableFileError(f"{folder} holds no file of practical {number}, as {practical.files[0]}")
    require_torch()
    names = [str(path.relative_to(folder)) for path in paths]
    width = max(4, *map(len, names))
    print(
        f"practical {number}: {len(paths)} file{'s' * (len(paths) > 1)} in {folder}\n{format_head(width)}", flush=True
    )
    outcomes = []
    for position, (path, name) in enumerate(zip(paths, names, strict=True), start=1):
        with show_progress(f"{position} of {len(paths)}: {name}"):
            outcomes.append(examine_file(number, path.absolute(), time_limit, file_limit))
        print(format_row(outcomes[-1], name, width), flush=True)
    right = sum(outcome.right for outcome in outcomes)
    print(f"{right} of {len(outcomes)} files all right")
    return outcomes


def examine_file(number: int, path: Path, time_limit: float | None, file_limit: float) -> Outcome:
    """Return what is found in a file within so many seconds, and what kept it from being checked."""
    outcome, end = Outcome(path), time.monotonic() + file_limit
    try:
        if problems := read_code(path).problems:
            outcome.problem = problems[0]
            return outcome
        with contextlib.closing(run(number, path, time_limit)) as exercises:
            for exercise in exercises:
                outcome.exercises.append(exercise)
                if time.monotonic() > end:
                    outcome.problem = f"not checked to its end: takes more than {file_limit:g} s"
                    break
    except (UnusableFileError, CourseError, OSError) as error:
        outcome.problem = str(error)
    return outcome


@contextlib.contextmanager
def show_progress(text: str) -> Iterator[None]:
    """Show on a terminal what is done meanwhile."""
    visible = sys.stderr.isatty()
    if visible:
        print(f"{text} ...", end="\r", file=sys.stderr, flush=True)
    yield
    if visible:
        print("\033[K", end="", file=sys.stderr, flush=True)


def require_torch() -> None:
    """Raise UnusableFileError when this Python has no torch."""
    if not find_spec("torch"):
        raise UnusableFileError(f"{sys.executable} has no torch: use the course's own Python")


def act(options: argparse.Namespace) -> int:
    """Check what is asked for and tell it; return the exit status."""
    with contextlib.ExitStack() as stack:
        if options.json == "-":  # the output is the object's alone
            stack.enter_context(contextlib.redirect_stdout(stack.enter_context(Path(os.devnull).open("w"))))
        if options.file and Path(options.file).is_dir():
            folder = Path(options.file)
            outcomes = check_class(options.number, folder, options.time_limit, options.file_limit)
        else:
            outcomes = [check(options.number, options.file, options.time_limit)]
    if options.json:
        write_json(options.json, options.number, outcomes)
    return 0 if all(outcome.right for outcome in outcomes) else 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `course-check`."""
    parser = argparse.ArgumentParser(
        prog="course-check",
        description="Check what you wrote for a practical, function by function."
        " Exit status: 0 when all is right, 1 when something is wrong or not done, 2 when nothing could be checked.",
    )
    parser.add_argument("number", type=int, metavar="N", choices=PRACTICALS, help="the practical, 1 to 6")
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help="your .py file or notebook; else the one you changed last, here or in the course's folder;"
        " or a folder: a line for each file of the practical in it",
    )
    parser.add_argument(
        "--time-limit", type=float, metavar="SECONDS", help="for each check, instead of the check's own"
    )
    parser.add_argument(
        "--file-limit", type=float, metavar="SECONDS", default=FILE_LIMIT,
        help=f"for each file of a folder, {FILE_LIMIT:g} unless given",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write what was found for a program; - for the output")
    options = parser.parse_intermixed_args(arguments)
    try:
        status = act(options)
    except (UnusableFileError, CourseError, OSError) as error:
        print(f"course-check: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
