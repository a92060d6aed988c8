"""The answers to the questions of the lectures: one for each, and programs that find what they say."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed beside pytest: the answers are not run here")

from course_tools.datasets.cli import make_sets

ROOT = Path(__file__).parents[2] / "course_content"
ANSWERS = sorted((ROOT / "lectures/solutions").glob("*.nb.py"))
LIMIT = 300
"""Seconds for one file, which takes one or two on an idle core."""

RUN_ALL = """
import json, multiprocessing, runpy, sys, torch, torchvision
fork, outcomes = multiprocessing.get_context("fork"), []
for path in sys.argv[2:]:
    child = fork.Process(target=runpy.run_path, args=(path,), daemon=True)
    child.start()
    child.join(int(sys.argv[1]))
    outcomes.append(child.exitcode)
print(json.dumps(outcomes))
"""


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


@pytest.fixture(scope="module")
def outcomes(data_folder: Path) -> dict[str, int]:
    """Return the exit status of each file, run in forks of one process that has torch, and no threads yet."""
    environ = {**os.environ, "PYTORCH_DATA_DIR": str(data_folder), "COURSE_TINY": "1", "OMP_NUM_THREADS": "1"}
    environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "prologue"), str(ROOT / "tools/src")])
    argv = [sys.executable, "-c", RUN_ALL, str(LIMIT), *map(str, ANSWERS)]
    done = subprocess.run(
        argv, env=environ, stdout=subprocess.PIPE, text=True, timeout=LIMIT * len(ANSWERS), check=True
    )
    return dict(zip((path.name for path in ANSWERS), json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("name", [path.name for path in ANSWERS])
def test_an_answer_finds_what_it_says(outcomes: dict[str, int], name: str) -> None:
    assert outcomes[name] == 0, f"{name}: run it by itself to see what it prints"
