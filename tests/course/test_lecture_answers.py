"""The answers to the questions of the lectures: one for each, and programs that find what they say."""

import multiprocessing
import re
import runpy
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed beside pytest: the answers are not run here")

from course_tools.datasets.cli import make_sets

ROOT = Path(__file__).parents[2] / "course_content"
ANSWERS = sorted((ROOT / "lectures/solutions").glob("*.nb.py"))
LIMIT = 300
"""Seconds for one file, which takes one or two on an idle core."""

fork = multiprocessing.get_context("fork")


@pytest.mark.parametrize("path", sorted((ROOT / "lectures").glob("*.nb.py")), ids=lambda path: path.name)
def test_each_question_has_an_answer(path: Path) -> None:
    questions = re.findall(r"^# (\d+)\. ", path.read_text().partition("\n# ## Try\n")[2], re.MULTILINE)
    answers = ROOT / "lectures/solutions" / path.name
    assert answers in ANSWERS
    assert re.findall(r"^# ## (\d+)\. ", answers.read_text(), re.MULTILINE) == questions != []


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a stand-in for MNIST that is as large as the answers need it."""
    folder = tmp_path_factory.mktemp("data")
    assert make_sets(["mnist"], folder, 1000) == 0
    return folder


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.name)
def test_an_answer_finds_what_it_says(path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTORCH_DATA_DIR", str(data_folder))
    monkeypatch.setenv("COURSE_TINY", "1")
    monkeypatch.setattr("sys.argv", [str(path)])
    monkeypatch.syspath_prepend(ROOT / "prologue")
    child = fork.Process(target=runpy.run_path, args=(str(path),), daemon=True)
    child.start()
    child.join(LIMIT)
    assert child.exitcode == 0, f"{path}: run it by itself to see what it prints"
