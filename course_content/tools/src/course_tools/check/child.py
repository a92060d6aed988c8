"""The process that runs the student's code: it is ended when a check takes too long, and started again for the rest."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course_runtime.machine.machine import CourseError

from course_tools.check.run_checks import OK, TODO, WRONG

START_LIMIT = 180.0  # seconds until torch is imported: from a cold disk it takes its time
LOAD_LIMIT = 60.0  # seconds for the imports and definitions of the student's file
BUSIEST = 10  # times a limit, by the clock: more is not granted on a busy machine

# Not by its path: the modules beside this one must not hide those of other packages.
PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from course_tools.check.run_checks import main; main()"


@dataclass
class Exercise:
    """A line of the report: what was found for one label."""

    label: str
    remaining: set[int]
    status: str = OK
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, number: int, status: str, lines: Sequence[str], notes: Sequence[str] = ()) -> None:
        """Take the result of check `number`."""
        self.remaining.discard(number)
        if status in (WRONG, TODO) and self.status != WRONG:
            self.status = status
        self.lines += [line for line in lines if line not in self.lines]
        self.notes += [note for note in notes if note not in self.notes]


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
        """Return the next message; raise Ended, and TimeoutError when there is none for so many `seconds`.

        Seconds in which other programs had the processor do not count: a right answer takes longer on a busy machine.
        """
        deadline, waits = time.monotonic() + seconds, self.read_waits()
        while b"\n" not in self.buffer:
            lost = max((wait - waits.get(thread, 0) for thread, wait in self.read_waits().items()), default=0)
            left = deadline + min(lost, seconds * (BUSIEST - 1)) - time.monotonic()
            ready, _, _ = select.select([self.reader], [], [], max(0, left))
            if not ready and left > 0:
                continue
            if not ready:
                raise TimeoutError
            piece = os.read(self.reader, 65536)
            if not piece:
                raise Ended(self.explain_end())
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def read_waits(self) -> dict[int, float]:
        """Return the seconds that each thread has waited for a processor; none where the kernel does not count them.

        File: schedstat, as in the kernel's documentation of scheduler statistics.
        """
        waits = {}
        for thread in Path(f"/proc/{self.process.pid}/task").glob("*"):
            with suppress(OSError):  # a thread that ends, and a kernel without statistics
                waits[int(thread.name)] = int((thread / "schedstat").read_text().split()[1]) / 1e9
        return waits

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


def run(number: int, path: Path, time_limit: float | None = None) -> Generator[Exercise, None, None]:
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
                exercise.add(message["number"], message["status"], message["lines"], message["notes"])
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
