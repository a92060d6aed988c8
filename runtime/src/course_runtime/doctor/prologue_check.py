"""Looks for prologues of earlier years in a student's folders: Python takes the one beside a program first."""

import os
from collections.abc import Iterator
from pathlib import Path

from course_runtime.doctor.findings import WARNING, Finding
from course_runtime.machine.machine import Machine, load_course

FILE = "dlc_practical_prologue.py"
COURSE_PROLOGUE = f"/opt/course/content/prologue/{FILE}"
DEPTH = 3
"""So many folders deep the course's folder is looked through."""


def check_prologue(machine: Machine) -> Iterator[Finding]:
    """Look for files that hide the course's prologue; there is no finding where there are none."""
    ours = machine.path(COURSE_PROLOGUE)
    home = Path(os.environ.get("HOME") or "/nowhere")
    if not ours.is_file():
        return
    right = ours.read_bytes()
    for path in [home / FILE, *find_copies(home / load_course(machine).slug)]:
        if path.is_file() and path.read_bytes() != right:
            detail = f"{path} is not this year's and hides the course's own from the programs beside it"
            yield Finding("prologue", WARNING, detail, f"mv {path} {path.with_name('old_prologue.py')}")


def find_copies(folder: Path) -> list[Path]:
    """Return the prologues in `folder` and the folders in it, hidden ones and data left out."""
    found = []
    for place, folders, files in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if depth < DEPTH and not name.startswith(".") and name != "data")
        found += [Path(place, FILE)] * (FILE in files)
    return found
