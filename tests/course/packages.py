"""Where the packages of the student's commands lie in the source tree."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
RUNTIME = REPOSITORY / "runtime/src"
TOOLS = REPOSITORY / "course_content/tools/src"

PYTHONPATH = f"{RUNTIME}{os.pathsep}{TOOLS}"
"""What a Python of its own needs to find both."""
