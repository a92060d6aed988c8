"""`course-check N [FILE]`: is what I wrote for practical N right, and if not, what is wrong.

The student's code runs in another process, which is ended when a check takes too long and started again for the rest.
"""

import argparse
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from course_runtime.machine.machine import CourseError, Machine, load_course

from course_tools.check.practicals import PRACTICALS, Practical
from course_tools.check.run_checks import OK, TODO, WRONG
from course_tools.check.student_code import is_stub
from course_tools.check.student_code import select as select_code
from course_tools.check.student_file import UnusableFileError, read_code

START_LIMIT = 180.0  # seconds until torch is imported: from a cold disk it takes its time
LOAD_LIMIT = 60.0  # seconds for the imports and definitions of the student's file

COLOURS = {OK: "32", WRONG: "31", TODO: "33"}

# Not by its path: the modules beside this one must not hide those of other packages.
PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from course_tools.check.run_checks import main; main()"


@dataclass
class Exercise:
    """A line of the report: what was found for one label."""

    label: str
    remaining: set[int]
    status: str = OK
    lines: list[str] = field(default_factory=list)

    def add(self, number: int, status: str, lines: Sequence[str]) -> None:
        """Take the result of check `number`."""
        self.remaining.discard(number)
        if status in (WRONG, TODO) and self.status != WRONG:
            self.status = status
        self.lines += [line for line in lines if line not in self.lines]


class Ended(Exception):
    """The child ended, or was ended, before it was done; the reason, in one line."""


class Child:
    """The process that runs the student's code."""

    def __init__(self, number: int, path: Path, skip: Iterable[int], faulty: Iterable[str]) -> None:
        reader, writer = os.pipe()
        package = Path(__file__).resolve().parents[2]
        argv = [sys.executable, "-P", "-c", PROGRAM, str(package), str(writer), str(number), str(path)]
        environment = {**os.environ, "MPLBACKEND": "agg", "CUDA_VISIBLE_DEVICES": ""}
        try:
            self.process = subprocess.Popen(
                [*argv, ",".join(map(str, skip)), ",".join(faulty)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=path.parent,
                env=environment,
                pass_fds=[writer],
                start_new_session=True,
            )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self.reader, self.buffer = reader, b""

    def read(self, seconds: float) -> dict[str, Any]:
        """Return the next message; raise Ended, and TimeoutError when there is none for so many `seconds`."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.reader], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            piece = os.read(self.reader, 65536)
            if not piece:
                raise Ended(self.explain_end())
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def explain_end(self) -> str:
        """Return how the process ended, in the student's words."""
        with suppress(subprocess.TimeoutExpired):
            status = self.process.wait(5)
            if status == -signal.SIGKILL:
                return "Python was killed, most likely for too much memory"
            if status < 0:
                return f"Python crashed ({signal.Signals(-status).name})"
        return "ends Python: return a value instead"

    def stop(self) -> None:
        """End the process and all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.reader)


def run(number: int, path: Path, time_limit: float | None = None) -> Iterator[Exercise]:
    """Yield the exercises of practical `number` as they are checked; raise CourseError when nothing can be checked."""
    exercises: dict[str, Exercise] = {}
    labels: list[str] = []
    done: set[int] = set()
    while True:
        faulty = [exercise.label for exercise in exercises.values() if exercise.status != OK]
        child = Child(number, path, sorted(done), faulty)
        try:
            message = wait(child, START_LIMIT, "Python and torch", "torch cannot be imported, see course-doctor")
            labels, limits = message["labels"], message["limits"]
            if not exercises:
                for position, label in enumerate(labels):
                    exercises.setdefault(label, Exercise(label, set())).remaining.add(position)
            wait(child, LOAD_LIMIT, f"{path.name}: its imports and definitions", f"{path.name}: one of its imports")
            while waiting := [position for position in range(len(labels)) if position not in done]:
                exercise, limit = exercises[labels[waiting[0]]], time_limit or limits[waiting[0]]
                try:
                    message = child.read(limit)
                except (TimeoutError, Ended) as error:
                    late = f"takes more than {limit:g} s: does a loop never end?"
                    reason = str(error) if isinstance(error, Ended) else late
                    done |= exercise.remaining  # its other checks would wait as long
                    exercise.add(waiting[0], WRONG, [f"{exercise.label}: {reason}"])
                    yield exercise
                    break
                exercise.add(message["number"], message["status"], message["lines"])
                done.add(message["number"])
                if not exercise.remaining:
                    yield exercise
            else:
                return
        finally:
            child.stop()
        if len(done) == len(labels):
            return


def wait(child: Child, seconds: float, late: str, ended: str) -> dict[str, Any]:
    """Return the next message of `child`; raise CourseError when it is too `late`, or when the child `ended` first."""
    try:
        return child.read(seconds)
    except TimeoutError:
        raise CourseError(f"{late} take more than {seconds:g} s") from None
    except Ended as error:
        raise CourseError(f"{ended}: {error}") from None


def find_files(number: int, practical: Practical, folders: Sequence[Path]) -> list[Path]:
    """Return the practical's files in `folders` that the student changed, the newest first; if none, one as it came.

    Raise UnusableFileError when there is none at all.
    """
    found = list(dict.fromkeys(path.resolve() for folder in folders for path in list_files(folder, practical)))
    if not found:
        names = " or ".join(practical.files)
        places = f"this folder, practicals/practical-{number} or the course's folder"
        raise UnusableFileError(f"no {names} in {places}: give its name, course-check {number} FILE")
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [path for path in found if is_written(path, practical)] or found[:1]


def list_files(folder: Path, practical: Practical) -> Iterator[Path]:
    """Yield the files of the practical in `folder`."""
    for name in practical.files:
        with suppress(OSError):
            if (folder / name).is_file():
                yield folder / name


def is_written(path: Path, practical: Practical) -> bool:
    """Return whether the student wrote something of what is asked; what cannot be read any more is his work too."""
    try:
        code = read_code(path)
    except UnusableFileError:
        return True
    definitions = select_code(code, practical.names).definitions
    return bool(code.problems) or any(
        name in definitions and not is_stub(definitions[name]) for name in practical.names
    )


def list_folders(number: int, machine: Machine) -> list[Path]:
    """Return where a student's files of practical `number` can be, nearest first."""
    folder = f"practical-{number}"
    folders = [Path(), Path("practicals") / folder, Path(folder)]
    with suppress(CourseError):
        folders.append(Path.home() / load_course(machine).slug / "practicals" / folder)
    return folders


def show_path(path: Path) -> str:
    """Return `path` as the student would write it."""
    for base, prefix in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            return f"{prefix}{path.relative_to(base)}"
    return str(path)


def format_exercise(exercise: Exercise, *, colour: bool) -> str:
    """Return `exercise` as lines of the report."""
    word = f"{exercise.status:<5}"
    if colour:
        word = f"\033[{COLOURS[exercise.status]}m{word}\033[0m"
    return "\n".join(f"{word}  {line}" for line in exercise.lines or [exercise.label])


def format_summary(statuses: Sequence[str]) -> str:
    """Return the last line: how many are right, wrong, not done."""
    right, wrong, todo = (statuses.count(status) for status in (OK, WRONG, TODO))
    if right == len(statuses):
        return f"all {right} right" if right > 1 else "right"
    words = [f"{right} of {len(statuses)} right"]
    words += [f"{wrong} wrong"] * (wrong > 0) + [f"{todo} not done"] * (todo > 0)
    return ", ".join(words)


def wants_colour() -> bool:
    """Return whether the output is a terminal that shows colours to a user who likes them."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def check(number: int, file: str | None, time_limit: float | None = None) -> int:
    """Check one file and print the report; return the exit status. Raise UnusableFileError and CourseError."""
    practical = PRACTICALS[number]
    found = [Path(file)] if file else find_files(number, practical, list_folders(number, Machine()))
    path, *older = [path.absolute() for path in found]
    code = read_code(path)
    if not find_spec("torch"):
        raise UnusableFileError(f"{sys.executable} has no torch: use the course's own Python")
    beside = f", which you changed after {show_path(older[0])}" if older else ""
    print(f"practical {number}: {show_path(path)}{beside}", flush=True)
    colour = wants_colour()
    if code.problems:
        for problem in code.problems:
            print(format_exercise(Exercise("", set(), WRONG, [problem]), colour=colour))
        return 1
    statuses = []
    for exercise in run(number, path, time_limit):
        print(format_exercise(exercise, colour=colour), flush=True)
        statuses.append(exercise.status)
    print(format_summary(statuses))
    return 0 if all(status == OK for status in statuses) else 1


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
        help="your .py file or notebook; else the one you changed last, here or in the course's folder",
    )
    parser.add_argument(
        "--time-limit", type=float, metavar="SECONDS", help="for each check, instead of the check's own"
    )
    options = parser.parse_intermixed_args(arguments)
    try:
        status = check(options.number, options.file, options.time_limit)
    except (UnusableFileError, CourseError, OSError) as error:
        print(f"course-check: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
