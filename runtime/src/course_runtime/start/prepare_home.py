"""What a home needs before a container's server starts: repairs, then the course's files, in one start of Python.

The start commands call it as a file, past the environment's Python: that costs a third of a start with all its paths.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from course_runtime.files import recover, sync
from course_runtime.machine.machine import CourseError


def main() -> None:
    """Repair and synchronise $HOME; the exit status is 0 whatever happens."""
    home = Path(os.environ["HOME"])
    recover.run(home)
    try:
        sync.run(home)
    except CourseError as error:
        print(f"course-sync: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
