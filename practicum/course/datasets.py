"""The real data sets of a semester, fetched on the host as the wheels are; the course's own command does the work."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.engine.run import run


def fetch_argv(names: Sequence[str], folder: Path) -> list[str]:
    """Return the command that brings the real sets `names` into `folder`, and checks them."""
    return [sys.executable, "-m", "course_tools.datasets", "fetch", f"--dir={os.fspath(folder)}", *names]


def fetch(names: Sequence[str], source: str, tools: Path, folder: Path, out: Path, console: Console) -> tuple[str, ...]:
    """Return which of the sets `names` are in `folder`, the real ones: all, or those that could be had.

    `source` is data.source of the description; `tools` is the folder of the package course_tools. With "real",
    raises PracticumError when one cannot be had; with "real-or-stand-in" says so and leaves it out.
    """
    folder.mkdir(parents=True, exist_ok=True)  # the build sees it, empty or not
    if source == "stand-in":
        return ()
    had = []
    for name in names:
        console.say(f"fetching the real {name}")
        log = out / f"fetch-{name}.log"
        try:
            run(fetch_argv([name], folder), step="data", log=log, env={"PYTHONPATH": os.fspath(tools)})
        except PracticumError as error:
            if source == "real":
                raise
            console.say(f"the real {name} cannot be had, the products get a stand-in ({error})")
        else:
            had.append(name)
    return tuple(had)
