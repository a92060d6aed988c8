"""The child of course-check, forked from this process instead of started: the import of torch takes 1.5 CPU seconds."""

import faulthandler
import multiprocessing
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from course_tools.check import child, run_checks
from forks import Forked

copies = multiprocessing.get_context("fork")


class ForkedChild(child.Child):
    """The process that runs the student's code, as course-check knows it."""

    def __init__(self, number: int, path: Path, skip: Iterable[int], faulty: Iterable[str]) -> None:
        self.reader, writer = os.pipe()
        self.buffer = b""
        arguments = [str(writer), str(number), str(path), ",".join(map(str, skip)), ",".join(faulty)]
        self.process = Forked(copies.Process(target=be_child, args=(path.parent, arguments)))
        os.close(writer)


def be_child(folder: Path, arguments: Sequence[str]) -> None:
    """Run the checks, with no input and no output but the pipe's, in a session of its own."""
    faulthandler.disable()  # pytest's
    os.setsid()
    os.chdir(folder)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    run_checks.main(arguments)
