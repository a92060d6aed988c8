"""The real data sets of a semester, fetched by the course's own command: here a stand-in for that command."""

import json
import sys
from pathlib import Path

import pytest

from practicum.course import datasets
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console

PROGRAM = """
import json, pathlib, sys
command, folder, name = sys.argv[1:]
folder = pathlib.Path(folder.removeprefix("--dir="))
if name == "cifar10":
    sys.exit("course-data: cifar10: no mirror answers")
(folder / name).mkdir(exist_ok=True)
(folder / name / "asked.json").write_text(json.dumps(sys.argv[1:]))
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A package course_tools in which mnist can be fetched, and cifar10 cannot."""
    package = tmp_path / "tools/course_tools/datasets"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text(PROGRAM)
    return tmp_path / "tools"


def fetch(source: str, tools: Path, tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "out").mkdir(exist_ok=True)
    names = ("mnist", "cifar10")
    return datasets.fetch(names, source, tools, tmp_path / "cache", tmp_path / "out", Console())


def test_fetch_argv_runs_the_course_s_command_in_this_python() -> None:
    argv = datasets.fetch_argv(["mnist"], Path("/c/d"))
    assert argv == [sys.executable, "-m", "course_tools.datasets", "fetch", "--dir=/c/d", "mnist"]


def test_a_stand_in_asks_nobody(tools: Path, tmp_path: Path) -> None:
    assert fetch("stand-in", tools, tmp_path) == ()
    assert not [*(tmp_path / "cache").iterdir()]


def test_what_cannot_be_had_is_left_out_and_said(
    tools: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert fetch("real-or-stand-in", tools, tmp_path) == ("mnist",)
    asked = json.loads((tmp_path / "cache/mnist/asked.json").read_text())
    assert asked == ["fetch", f"--dir={tmp_path / 'cache'}", "mnist"]
    told = capfd.readouterr()
    assert "the real cifar10 cannot be had, the products get a stand-in" in told.out + told.err


def test_real_means_real(tools: Path, tmp_path: Path) -> None:
    with pytest.raises(PracticumError, match="no mirror answers"):
        fetch("real", tools, tmp_path)
