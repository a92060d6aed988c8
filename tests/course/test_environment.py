"""course-env: other versions beside the course's packages, which stay as they are."""

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from course_runtime.machine.machine import CourseError
from course_runtime.packages import environment
from packages import REPOSITORY, RUNTIME
from waiting import DEADLINE

KERNEL = REPOSITORY / "ansible/roles/jupyter/files/kernel.json"


def write_wheel(folder: Path, name: str, version: str, requires: str = "") -> None:
    """Make a wheel with one module, which knows its version."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", f"__version__ = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", metadata + (f"Requires-Dist: {requires}\n" if requires else ""))
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def places(tmp_path: Path) -> environment.Places:
    """A course with pandas 3 and torch 2, whose Python is this one; wheels of others in `wheels`."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = tmp_path / "course/lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (tmp_path / "wheels").mkdir()
    for name, number in (("pandas", "3.1"), ("torch", "2.0"), ("pandas", "2.9"), ("torch", "1.0")):
        write_wheel(tmp_path / "wheels", name, number)
    write_wheel(tmp_path / "wheels", "old", "1", requires="torch<2")
    for wheel in ("pandas-3.1", "torch-2.0"):
        with zipfile.ZipFile(tmp_path / f"wheels/{wheel}-py3-none-any.whl") as archive:
            archive.extractall(packages)
    (packages / "pip.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    kernel = tmp_path / "course/share/jupyter/kernels/python3/kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(KERNEL.read_text())
    return environment.Places(tmp_path / "course", tmp_path / "own", tmp_path / "kernels")


def install(places: environment.Places, name: str, what: str) -> subprocess.CompletedProcess[str]:
    """Run the environment's pip, which sees the wheels alone."""
    wheels = places.own.parent / "wheels"
    argv = [str(places.environment(name) / "bin/pip"), "install", "--no-index", f"--find-links={wheels}", what]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=DEADLINE)


def ask(places: environment.Places, name: str, code: str) -> str:
    python = places.environment(name) / "bin/python"
    return subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True, timeout=DEADLINE
    ).stdout.strip()


def test_another_version_lies_before_the_course_s(places: environment.Places) -> None:
    environment.create("mine", places)
    versions = "import pandas, torch; print(pandas.__version__, torch.__version__)"
    assert ask(places, "mine", versions) == "3.1 2.0"
    done = install(places, "mine", "pandas<3")
    assert done.returncode == 0, done.stderr
    assert ask(places, "mine", versions) == "2.9 2.0"
    assert "3.1" in next(places.course.rglob("pandas/__init__.py")).read_text(), "the course's own was touched"


@pytest.mark.parametrize("what", ["torch==1.0", "old"])
def test_torch_is_protected(places: environment.Places, what: str) -> None:
    environment.create("mine", places)
    done = install(places, "mine", what)
    assert done.returncode != 0 and "constraint" in done.stdout + done.stderr
    assert ask(places, "mine", "import torch; print(torch.__version__)") == "2.0"


def test_jupyterlab_offers_it(places: environment.Places) -> None:
    environment.create("Old.pandas", places)
    kernel = json.loads((places.kernels / "course-env-old.pandas/kernel.json").read_text())
    assert kernel["display_name"] == "Python (Old.pandas)"
    assert str(places.environment("Old.pandas") / "bin/python") in kernel["argv"]
    assert "/opt/venv" not in json.dumps(kernel["argv"])
    environment.remove("Old.pandas", places)
    assert not list(places.kernels.iterdir()) and not list(places.own.iterdir())


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "é", "x" * 41])
def test_a_bad_name_is_refused(places: environment.Places, name: str) -> None:
    with pytest.raises(CourseError, match="is no name: give letters and digits"):
        environment.create(name, places)
    assert not places.own.exists()


def test_what_is_there_stays(places: environment.Places) -> None:
    environment.create("mine", places)
    with pytest.raises(CourseError, match="mine is there already: use it, or remove it: course-env --remove mine"):
        environment.create("mine", places)
    assert environment.list_names(places) == ["mine"]


def test_a_failure_leaves_nothing(places: environment.Places) -> None:
    (places.course / "share/jupyter/kernels/python3/kernel.json").unlink()
    with pytest.raises(FileNotFoundError):
        environment.create("mine", places)
    assert not list(places.own.iterdir())


def test_pip_s_refusal_names_the_command() -> None:
    code = """
import logging, course_runtime.packages.pip_words
logger = logging.getLogger("pip._internal.cli.base_command")
logger.addHandler(logging.StreamHandler())
logger.critical("Will not install: it will %s to pandas in /opt/venv", "lack sys.path precedence")
logger.critical("something else")
"""
    argv = [sys.executable, "-c", code]
    done = subprocess.run(
        argv, env={"PYTHONPATH": str(RUNTIME)}, capture_output=True, text=True, check=True, timeout=DEADLINE
    )
    refusal, cure, other = done.stderr.splitlines()
    assert refusal.endswith("to pandas in /opt/venv") and cure.endswith("course-env NAME") and other == "something else"
