"""The content under test, its programs started as a student starts them, and the devices they run on.

Needs what the products have: torch, pytest, nbclient. `--content FOLDER` is a student's folder with its solutions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="these tests need the students' Python: practicum venv FOLDER")

import torch

STRICT = [f"-Werror::{name}" for name in ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")]
FULL = "COURSE_FULL"
LIMIT = 300
"""Seconds for one program in tiny mode; it takes some ten on an idle core."""

Run = Callable[..., dict[str, Any]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--content", type=Path, metavar="FOLDER", help="the course's folder, with solutions")


def pytest_report_header() -> str:
    return f"torch {torch.__version__}, {torch.get_num_threads()} threads, data in {os.environ.get('PYTORCH_DATA_DIR')}"


@pytest.fixture(scope="session")
def content(pytestconfig: pytest.Config) -> Path:
    """The folder as a student gets it, solutions included."""
    folder: Path | None = pytestconfig.getoption("--content", None)
    if folder is None:
        pytest.skip("no --content: make a folder with `practicum content FOLDER --solutions` and name it")
    return folder.absolute()


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    """Where a program computes."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch sees no GPU on this machine")
    return str(request.param)


@pytest.fixture(scope="session")
def pretended_gpu() -> Path:
    """The program that pretends a GPU, where there is none: it finds tensors left on the wrong device."""
    if torch.cuda.is_available():
        pytest.skip("a GPU is here: nothing need be pretended")
    if os.environ.get(FULL):
        pytest.skip(f"{FULL} is set: a pretended GPU is too slow for full runs")
    return Path(__file__).with_name("pretended_gpu.py")


@pytest.fixture(scope="session")
def matplotlib_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where matplotlib keeps what it found of fonts, which takes it a while."""
    return tmp_path_factory.mktemp("matplotlib")


@pytest.fixture
def run_solution(content: Path, tmp_path: Path, matplotlib_folder: Path) -> Run:
    """Run a solution by its path in the content with further arguments, and return the results it leaves.

    It runs with --tiny, unless COURSE_FULL is set, and with what is deprecated as an error; a launcher is a program
    that runs it in its own way.
    """

    def run(path: str, *arguments: str, launcher: Sequence[Path] = (), timeout: float = LIMIT) -> dict[str, Any]:
        results = tmp_path / "results.json"
        size = [] if os.environ.get(FULL) else ["--tiny"]
        argv = [sys.executable, *STRICT, *launcher, content / path, *size, f"--json={results}", *arguments]
        done = subprocess.run(
            argv,
            cwd=(content / path).parent,
            env=make_environment(matplotlib_folder),
            text=True,
            capture_output=True,
            timeout=None if os.environ.get(FULL) else timeout,
            check=False,
        )
        print(done.stdout)
        assert done.returncode == 0, done.stderr[-4000:]
        return dict(json.loads(results.read_text()))

    return run


@pytest.fixture(scope="session")
def small_size() -> None:
    """For a test whose ranges are those of --tiny."""
    if os.environ.get(FULL):
        pytest.skip(f"{FULL} is set: the ranges are those of small runs")


@pytest.fixture(scope="session")
def full_size() -> None:
    """For a test of results that only a full-size run has."""
    if not os.environ.get(FULL):
        pytest.skip(f"takes long: set {FULL}=1 to run the solutions at full size")


def make_environment(matplotlib_folder: Path) -> dict[str, str]:
    """The environment of a program: nothing is written beside the content, nothing left of a size asked before."""
    environment = {name: value for name, value in os.environ.items() if name != "COURSE_TINY"}
    return {**environment, "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "agg", "MPLCONFIGDIR": str(matplotlib_folder)}
