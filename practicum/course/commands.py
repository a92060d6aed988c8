"""The students' commands: which a product has, and the wheels they come in."""

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import uv

from practicum.engine.errors import ProgramFailed
from practicum.engine.run import run

TORCH_COMMAND = "course-verify"
"""A command that only courses with torch have a use for."""

MACHINE_COMMANDS = {"course-access", "course-console", "course-firstboot", "set-kbd"}
"""Commands that only a machine of one's own has a use for."""


def build_wheels(sources: Sequence[Path], out: Path, log: Path) -> list[Path]:
    """Build a wheel of each package in `sources`, with this environment's own build backend and without a network."""
    options = ["--wheel", "--no-build-isolation", f"--python={sys.executable}", f"--out-dir={out}"]
    wheels: list[Path] = []
    for source in sources:
        run([uv.find_uv_bin(), "build", *options, str(source)], step="course", log=log)
        made = [path for path in out.glob("*.whl") if path not in wheels]
        if len(made) != 1:
            raise ProgramFailed("course", f"{source} made {len(made)} wheels, not one", log)
        wheels += made
    return wheels


def list_commands(packages: Sequence[Path], product: str, *, torch: bool = True) -> list[str]:
    """Return the names of the student's commands in `packages` that `product` has, sorted."""
    projects = [tomllib.loads((package / "pyproject.toml").read_text())["project"] for package in packages]
    absent = (set() if product == "appliance" else MACHINE_COMMANDS) | (set() if torch else {TORCH_COMMAND})
    return sorted({name for project in projects for name in project.get("scripts", {})} - absent)


def list_packages(runtime: Path, tools: Path) -> list[Path]:
    """Return the folders of the packages with the student's commands, in the order in which they are installed.

    tools: of the course's own commands, without which a course may do.
    """
    return [runtime, *([tools] if (tools / "pyproject.toml").is_file() else [])]
