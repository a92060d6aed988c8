"""The students' Python on this machine, without a build."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uv

from practicum.course.commands import build_wheels, list_packages
from practicum.engine.cache import root as cache_root
from practicum.engine.progress import Console
from practicum.engine.run import run
from practicum.semester.description import Semester
from practicum.semester.folders import TOOLS
from practicum.semester.locks import find_lock
from practicum.wheels import wheelhouse


def create_argv(python: str, folder: Path) -> list[str]:
    return [uv.find_uv_bin(), "venv", "--offline", "--clear", f"--python={python}", os.fspath(folder)]


def install_argv(house: wheelhouse.Wheelhouse, folder: Path) -> list[str]:
    """Without dependencies: the lock is complete, but for what is left out on purpose."""
    return [
        uv.find_uv_bin(), "pip", "install", "--offline", "--no-index", "--no-deps", "--require-hashes",
        f"--python={folder}", f"--find-links={house.folder}", f"--requirement={house.requirements}",
    ]  # fmt: skip


def commands_argv(wheels: Sequence[Path], folder: Path) -> list[str]:
    given = [os.fspath(wheel) for wheel in wheels]
    return [uv.find_uv_bin(), "pip", "install", "--offline", "--no-deps", f"--python={folder}", *given]


def make_venv(semester: Semester, folder: Path) -> None:
    """Make the virtual environment `folder` from the CPU lock, downloading what the cache does not hold.

    It has the students' commands, finds the prologue of this checkout, and its torchvision opens the stand-ins. Raises
    PracticumError when this machine has no Python of the suite's version.
    """
    with Console() as console:
        house = wheelhouse.prepare(find_lock(semester, "cpu"), cache_root(), console)
    run(create_argv(semester.debian.python_version, folder), step="venv", contain=False)
    run(install_argv(house, folder), step="venv", contain=False)
    with tempfile.TemporaryDirectory() as scratch:
        packages = list_packages(semester.checkout / "runtime", semester.course_root / TOOLS)
        wheels = build_wheels(packages, Path(scratch), Path(scratch) / "tools.log")
        run(commands_argv(wheels, folder), step="venv", contain=False)
    site_packages = next(folder.glob("lib/python3*/site-packages"))
    (site_packages / "course.pth").write_text(f"{semester.content_root / 'prologue'}\n")
    (site_packages / "course_data.pth").write_text("import course_tools.datasets.at_start\n")
