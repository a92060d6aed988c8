"""What a home needs before JupyterLab serves it: repairs, the course's files, matplotlib's list of fonts."""

import sys
from pathlib import Path

from course_runtime.files import recover, sync
from course_runtime.files.fonts import seed_font_list
from course_runtime.machine.machine import CourseError


def prepare(home: Path) -> None:
    """Repair and synchronise `home`; trouble is one line, and never keeps JupyterLab from starting."""
    recover.run(home)
    try:
        sync.run(home)
    except CourseError as error:
        print(f"course-sync: {error}", file=sys.stderr)
    seed_font_list(home)
