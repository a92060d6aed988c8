"""The students' commands: which a product has, and the wheel they come in."""

import sys
import tomllib
from pathlib import Path

import uv

from practicum.engine.errors import PracticumError
from practicum.engine.run import run

MACHINE_COMMANDS = {"course-access", "course-console", "course-firstboot", "set-kbd"}
"""Commands that only a machine of one's own has a use for."""


def build_wheel(source: Path, out: Path, log: Path) -> Path:
    """Build the wheel of the student's commands with this environment's own build backend, without a network."""
    argv = [
        uv.find_uv_bin(),
        "build",
        "--wheel",
        "--no-build-isolation",
        f"--python={sys.executable}",
        f"--out-dir={out}",
    ]
    run([*argv, str(source)], step="course", log=log)
    wheels = sorted(out.glob("course_tools-*.whl"))
    if len(wheels) != 1:
        raise PracticumError(f"course: {source} made {len(wheels)} wheels, not one; see {log}")
    return wheels[0]


def list_commands(tools: Path, product: str) -> list[str]:
    """Return the names of the student's commands that `product` has, sorted."""
    commands = tomllib.loads((tools / "pyproject.toml").read_text())["project"]["scripts"]
    return sorted(name for name in commands if product == "appliance" or name not in MACHINE_COMMANDS)
