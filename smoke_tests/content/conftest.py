"""The content under test, its programs started as a student starts them, and the devices they run on.

Needs what the products have: torch, pytest, nbclient. `--content FOLDER` is a student's folder with its solutions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="these tests need the students' Python: practicum venv FOLDER")

import torch

from . import forks

STRICT = [f"-Werror::{name}" for name in ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")]
FULL = "COURSE_FULL"
LIMIT = 1500
"""Seconds for one program in tiny mode: it takes some ten on an idle core, a hang is ended."""

Run = Callable[..., dict[str, Any]]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sample: enough for a product with the same torch as one that is proven whole")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--content", type=Path, metavar="FOLDER", help="the course's folder, with solutions")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Every optimizer imports torch's compiler, except on a pretended GPU."""
    forks.preload(*(() if any("pretended" in item.name for item in session.items) else ["torch._dynamo"]))


def pytest_report_header() -> str:
    return f"torch {torch.__version__}, {torch.get_num_threads()} threads, data in {os.environ.get('PYTORCH_DATA_DIR')}"


@pytest.fixture(scope="session")
def content(pytestconfig: pytest.Config) -> Path:
    """Return the folder as a student gets it, solutions included."""
    folder: Path | None = pytestconfig.getoption("--content", None)
    if folder is None:
        pytest.skip("no --content: make a folder with `practicum content FOLDER --solutions` and name it")
    return folder.absolute()


@pytest.fixture(params=["cpu", "cuda", "pretended"])
def place(request: pytest.FixtureRequest) -> str:
    """Where a program computes; on a pretended GPU it takes the way of a GPU and has the results of a CPU."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch sees no GPU on this machine")
    return str(request.param)


@pytest.fixture
def device(place: str) -> str:
    """Return the device that a program is told to take: "cpu" or "cuda"."""
    return "cpu" if place == "cpu" else "cuda"


@pytest.fixture
def launcher(place: str, request: pytest.FixtureRequest) -> list[Path]:
    """Return the programs that start a solution in their own way."""
    return [request.getfixturevalue("pretended_gpu")] if place == "pretended" else []


@pytest.fixture(scope="session")
def pretended_gpu() -> Path:
    """Return the program that pretends a GPU, where there is none: it finds tensors left on the wrong device."""
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
def is_forked(request: pytest.FixtureRequest) -> bool:
    """Whether Python need not be started: those of the sample are started as a student does."""
    return request.node.get_closest_marker("sample") is None


@pytest.fixture
def run_solution(
    content: Path, tmp_path: Path, matplotlib_folder: Path, device: str, launcher: list[Path], is_forked: bool
) -> Run:
    """Run a solution by its path in the content with further arguments, and return the results it leaves.

    It runs on the test's device with --tiny, unless COURSE_FULL is set, and with what is deprecated as an error.
    """

    def run(path: str, *arguments: str) -> dict[str, Any]:
        results = tmp_path / "results.json"
        options = [f"--device={device}", f"--json={results}", *([] if os.environ.get(FULL) else ["--tiny"])]
        argv = [*map(str, (*STRICT, *launcher, content / path)), *options, *arguments]
        folder, environment = (content / path).parent, make_environment(matplotlib_folder, tmp_path)
        limit = None if os.environ.get(FULL) else LIMIT
        said = tmp_path / "said"
        run_program = forks.run_program if is_forked else start_program
        code = run_program(argv, environment, folder, said, limit)
        print(said.read_text())
        assert code == 0, said.read_text()[-4000:]
        found = dict(json.loads(results.read_text()))
        assert found["device"] == device
        return found

    return run


def start_program(
    argv: Sequence[str], environment: Mapping[str, str], folder: Path, said: Path, limit: float | None
) -> int:
    """Do what `forks.run_program` does, by a Python of its own."""
    with said.open("w") as stream:
        return subprocess.run(
            [sys.executable, *argv],
            cwd=folder,
            env=environment,
            stdout=stream,
            stderr=stream,
            timeout=limit,
            check=False,
        ).returncode


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


def make_environment(matplotlib_folder: Path, temporary: Path) -> dict[str, str]:
    """Return the environment of a program: nothing is written beside the content, nothing left of a size asked before.

    Its temporary files go where pytest removes them.
    """
    environment = {name: value for name, value in os.environ.items() if name != "COURSE_TINY"}
    folders = {"MPLCONFIGDIR": str(matplotlib_folder), "TMPDIR": str(temporary)}
    return {**environment, **folders, "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "agg"}
