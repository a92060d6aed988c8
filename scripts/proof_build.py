"""Builds what the proof needs of the products for another processor: proof_build.py ARCH SEMESTER COMMAND...

SEMESTER may be "", for the newest. COMMAND is one of practicum's, with its options. Where the products for that
processor cannot be built, or nobody asked for them, the reason is printed and nothing is built; then their tests are
skipped for the same reason. Who wants them sets PROOF_ARM64=1, as make test-arm64 does, or has built the appliance into
dist/ before.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for smoke_tests, which is no installed package

from practicum.architecture import find_architecture
from practicum.semester.description import Semester
from practicum.semester.find import find_semester
from smoke_tests.obstacle import find_absence, find_obstacle

WANTED = "PROOF_ARM64"
"""Environment variable: "1" builds what was never built here."""


def find_reason(semester: Semester, arch: str) -> str:
    """Return why nothing is built for the architecture `arch`, "" where it is."""
    find = find_obstacle if os.environ.get(WANTED) == "1" else find_absence
    return find(semester, find_architecture(arch))


def main(arch: str, name: str, command: str, *options: str) -> int:
    semester = find_semester(name)
    if reason := find_reason(semester, arch):
        print(f"not built: {reason}")
        return 0
    practicum = Path(sys.executable).with_name("practicum")
    return subprocess.run([practicum, command, semester.id, *options]).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
