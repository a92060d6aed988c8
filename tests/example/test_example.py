"""examples/cs-101, a course of a few files without torch, outside of which practicum has all it needs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from practicum.engine import tools
from practicum.engine.errors import PracticumError
from practicum.images.docker import ensure_docker
from smoke_tests.container.docker import Container, inspect, started

ROOT = Path(__file__).parents[2]
IMAGE = "cs101:2027-spring-cpu"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course in a folder outside the checkout, its image built."""
    if os.geteuid() != 0:
        pytest.skip("a build needs root")
    try:
        ensure_docker()
        tools.require("mmdebstrap", "packer", "ansible-playbook")
    except PracticumError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("course") / "cs-101"
    shutil.copytree(ROOT / "examples/cs-101", folder)
    practicum = Path(sys.executable).with_name("practicum")
    done = subprocess.run([practicum, "--course", folder, "docker"], cwd="/", capture_output=True, text=True)
    if done.returncode and "check the network" in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{IMAGE}\n"
    return folder


@pytest.fixture(scope="module")
def container(course: Path) -> Iterator[Container]:
    with started(IMAGE) as container:
        container.wait_ready()
        yield container


def test_the_image_says_nothing_of_torch(course: Path) -> None:
    labels = inspect(IMAGE)["Config"]["Labels"]
    assert not [name for name, value in labels.items() if "torch" in f"{name} {value}".lower()]


def test_the_course_is_in_the_image_and_jupyterlab_answers(container: Container) -> None:
    assert container.get("/api/status").status_code == 200
    settings = container.get("/lab/api/settings/@jupyterlab/notebook-extension:tracker").json()
    assert settings["schema"]["properties"]["codeCellConfig"]["default"]["lineNumbers"] is True
    assert container.exec("ls ~/cs101/practicals/week-2").stdout.split() == ["trees.csv", "week_2.ipynb"]
    assert container.exec("python -c 'import barchart; print(barchart.draw({\"a\": 1}, 3))'").stdout == "a ### 1\n"
    assert container.exec("tree --version").stdout.startswith("tree v")
    assert container.exec("git config --system init.defaultBranch").stdout == "main\n"
    assert "values in order" in container.exec("cat /usr/local/share/cs101/words.txt").stdout
    assert container.exec("printenv CS101_LEVEL").stdout == "first year\n"


def test_its_own_command_judges_a_student(container: Container) -> None:
    assert container.exec("cs101-check 1", check=False).stdout == "average: not right yet\n"
    container.exec(
        "sed -i 's/return 0.0  # replace this line/return sum(values) \\/ len(values)/' ~/cs101/*/week-1/*.ipynb"
    )
    assert container.exec("cs101-check 1").stdout == "average: right\n"


def test_commands_of_torch_are_absent_and_the_doctor_does_not_ask_for_it(container: Container) -> None:
    absent = ("course-verify", "course-check", "course-data", "course-submit")
    assert container.exec(f"command -v {' '.join(absent)}", check=False).stdout == ""
    told = container.exec("course-doctor").stdout
    assert "jupyterlab" in told and "torch" not in told.replace("torch.compile", "")


def test_what_the_course_tests_itself(course: Path) -> None:
    argv = ["-m", "pytest", "-q", "-p", "smoke_tests.conftest", "-p", "smoke_tests.container.conftest"]
    where = ["-c", "pyproject.toml", "--rootdir=.", str(course / "smoke_tests")]
    own = {**os.environ, "PRACTICUM_COURSE": str(course)}
    done = subprocess.run([sys.executable, *argv, *where], cwd=ROOT, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
