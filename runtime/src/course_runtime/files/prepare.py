"""What a home needs before JupyterLab serves it: repairs, then the course's files."""

import sys
from pathlib import Path

from course_runtime.files import recover, sync
from course_runtime.machine.machine import CourseError


def prepare(home: Path) -> None:
    """Repair and synchronise `home`; trouble is one line, and never keeps JupyterLab from starting."""
    recover.run(home)
    try:
        sync.run(home)
    except CourseError as error:
        print(f"course-sync: {error}", file=sys.stderr)
