"""Repairs, before JupyterLab starts, what a server killed in the middle of a save left behind.

Our own saves leave at most a stray temporary file. Where they cannot be used, Jupyter's own way truncates the notebook
and leaves a complete hidden copy `.~name.ipynb`: the copy comes back, the damaged file is kept as `name.ipynb.broken`.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from course_runtime.files.sync import become_owner
from course_runtime.machine.atomic import TEMPORARY_PREFIX, TEMPORARY_SUFFIX

TIME_LIMIT = 5.0  # seconds: a home full of data must not delay JupyterLab
MINIMUM_AGE = 60.0  # seconds: a younger temporary file may belong to a save of another server


def recover(home: Path, *, now: float, deadline: float) -> list[str]:
    """Repair the files below `home`, on its own file system, until time.monotonic() is `deadline`; one line each."""
    messages = []
    device = home.stat().st_dev
    for top, folders, files in os.walk(home):
        if time.monotonic() > deadline:
            messages.append(f"the home folder is large: nothing below {top} was looked at")
            break
        folders[:] = [name for name in folders if not name.startswith(".") and lstat_device(Path(top, name)) == device]
        for name in files:
            if name.startswith(TEMPORARY_PREFIX):
                message = repair_file(Path(top, name), now)
                messages += [message] if message else []
    return messages


def repair_file(hidden: Path, now: float) -> str:
    """Remove a stale temporary file, or bring a notebook back from its copy; says what was done, "" for nothing."""
    try:
        if hidden.name.endswith(TEMPORARY_SUFFIX):
            # A clock that was set back makes files of the future: they are no save of now either.
            if abs(now - hidden.lstat().st_mtime) > MINIMUM_AGE:
                hidden.unlink()
            return ""
        notebook = hidden.with_name(hidden.name.removeprefix(TEMPORARY_PREFIX))
        if not hidden.name.endswith(".ipynb") or is_notebook(notebook) or not is_notebook(hidden):
            return ""
        if notebook.exists():
            notebook.replace(notebook.with_name(notebook.name + ".broken"))
        hidden.replace(notebook)
    except OSError as error:
        return f"{hidden}: {error.strerror}"
    return f"{notebook} was cut in the middle of a save: the version before it is back"


def is_notebook(path: Path) -> bool:
    """Return whether `path` is a regular file that holds complete JSON."""
    try:
        return path.is_file() and not path.is_symlink() and isinstance(json.loads(path.read_bytes()), dict)
    except (OSError, ValueError, RecursionError):
        return False


def lstat_device(path: Path) -> int:
    """Return the device of `path` itself, 0 when it is gone."""
    try:
        return path.lstat().st_dev
    except OSError:
        return 0


def main() -> None:
    """Run `course-recover`; never keeps JupyterLab from starting."""
    parser = argparse.ArgumentParser(prog="course-recover", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path.home())
    run(parser.parse_args().home)


def run(home: Path) -> None:
    """Repair what there is to repair, and say so; trouble is one line."""
    try:
        become_owner(home)
        for message in recover(home, now=time.time(), deadline=time.monotonic() + TIME_LIMIT):
            print(f"course-recover: {message}", file=sys.stderr)
    except OSError as error:
        print(f"course-recover: {error.filename or home}: {error.strerror}", file=sys.stderr)
