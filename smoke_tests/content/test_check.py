"""course-check finds nothing wrong in the solution of practical 1."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import LIMIT

pytestmark = pytest.mark.sample


def test_the_solution_is_right(content: Path, tmp_path: Path) -> None:
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    program = shutil.which("course-check", path=os.pathsep.join(places))
    assert program, "the course's commands are not installed beside this Python"
    argv = [program, "1", content / "practicals/practical-1/solutions/practical_1.py"]
    if "QEMU_CPU" in os.environ:  # an emulated processor makes no promise
        argv += ["--time-limit", str(LIMIT)]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("all ")
