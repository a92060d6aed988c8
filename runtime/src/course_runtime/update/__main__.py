"""Starts `course-update` past the environment's Python, as the services do: that saves a third of a start of Python."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from course_runtime.update.cli import main

if __name__ == "__main__":
    main()
