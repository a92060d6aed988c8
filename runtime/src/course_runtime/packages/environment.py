"""`course-env NAME`: an environment of the student's own, which has the course's packages and, before them, others.

The course's packages stay as they are: what pip installs here goes into the environment, where Python looks first.
torch and torchvision cannot be replaced: the course's builds suit the machine, those of an index may not.
"""

import argparse
import json
import os
import re
import shutil
import venv
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from course_runtime.machine.machine import CourseError, exit_with

COURSE = Path("/opt/venv")
PROTECTED = ("torch", "torchvision")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


@dataclass(frozen=True)
class Places:
    """Folders: the course's environment, the students' own ones, and the kernels that JupyterLab offers."""

    course: Path
    own: Path
    kernels: Path

    def environment(self, name: str) -> Path:
        """Return the folder of the environment `name`."""
        return self.own / name

    def kernel(self, name: str) -> Path:
        """Return the folder of its kernel."""
        return self.kernels / f"course-env-{name.lower()}"


def find_places(course: Path = COURSE) -> Places:
    """Return the places below the home, or where the environment's variables say."""
    share = Path.home() / ".local/share"
    data = os.environ.get("JUPYTER_DATA_DIR")
    return Places(course, share / "course-env", (Path(data) if data else share / "jupyter") / "kernels")


def create(name: str, places: Places) -> None:
    """Make the environment and its kernel, or nothing.

    Raise CourseError for a name that is bad or taken, OSError when it cannot be written.
    """
    if not NAME.fullmatch(name):
        raise CourseError(f"{name!r} is no name", "give letters and digits, for example: course-env pandas2")
    folder = places.environment(name)
    if folder.exists():
        raise CourseError(f"{name} is there already", f"use it, or remove it: course-env --remove {name}")
    try:
        venv.EnvBuilder(symlinks=True).create(folder)
        fill(folder, places.course)
        write_kernel(name, places)
    except BaseException:
        remove(name, places)
        raise


def fill(folder: Path, course: Path) -> None:
    """Let the new environment see the course's packages, and pip leave torch alone."""
    (packages,) = (folder / "lib").glob("python3*/site-packages")
    (of_course,) = (course / "lib").glob("python3*/site-packages")
    (packages / "course.pth").write_text(f"import site; site.addsitedir({str(of_course)!r})\n")
    limits = folder / "constraints.txt"
    limits.write_text("".join(f"{line}\n" for line in list_limits(of_course)))
    (folder / "pip.conf").write_text(f"[global]\nconstraint = {limits}\ndisable-pip-version-check = true\n")
    program = folder / "bin/pip"
    program.write_text(f'#!/bin/sh\nexec {folder}/bin/python -m pip "$@"\n')
    program.chmod(0o755)


def list_limits(packages: Path) -> list[str]:
    """Return pip's constraints: the versions of what must stay as the course has it."""
    found = {one.metadata["Name"].lower(): one.version for one in distributions(path=[str(packages)])}
    return [f"{name}=={found[name]}" for name in PROTECTED if name in found]


def write_kernel(name: str, places: Places) -> None:
    """Offer the environment in JupyterLab, with the settings of the course's own kernel."""
    folder = places.environment(name)
    text = (places.course / "share/jupyter/kernels/python3/kernel.json").read_text()
    kernel = json.loads(text.replace("/opt/venv/bin/python", str(folder / "bin/python")))
    kernel["display_name"] = f"Python ({name})"
    kernel["env"] = {"PATH": f"{folder}/bin:${{PATH}}", "VIRTUAL_ENV": str(folder)}
    places.kernel(name).mkdir(parents=True, exist_ok=True)
    (places.kernel(name) / "kernel.json").write_text(json.dumps(kernel, indent=1) + "\n")


def remove(name: str, places: Places) -> None:
    """Remove the environment and its kernel, as far as they are there."""
    shutil.rmtree(places.kernel(name), ignore_errors=True)
    shutil.rmtree(places.environment(name), ignore_errors=True)


def list_names(places: Places) -> list[str]:
    """Return the names of the environments that are there."""
    return sorted(path.parent.name for path in places.own.glob("*/pyvenv.cfg"))


def run(arguments: argparse.Namespace, places: Places) -> None:
    """Do what was asked, and print it."""
    if arguments.remove:
        if arguments.remove not in list_names(places):
            raise CourseError(f"course-env: there is no {arguments.remove}", "this lists yours: course-env")
        remove(arguments.remove, places)
        print(f"course-env: {arguments.remove} is removed")
    elif arguments.name:
        create(arguments.name, places)
        folder = places.environment(arguments.name)
        print(f'course-env: {arguments.name} is ready. In JupyterLab, choose the kernel "Python ({arguments.name})";')
        print('    then, for example: %pip install "pandas<3"')
        print(f"In a terminal: source {folder}/bin/activate")
    else:
        names = list_names(places)
        print("\n".join(names) if names else "course-env: you have none. To make one: course-env NAME")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="course-env", description="An environment of your own above the course's.")
    parser.add_argument("name", nargs="?", help="make the environment of this name; without a name, list yours")
    parser.add_argument("--remove", metavar="NAME", help="remove an environment and all that was installed into it")
    exit_with("course-env", lambda: run(parser.parse_args(), find_places()))


if __name__ == "__main__":
    main()
