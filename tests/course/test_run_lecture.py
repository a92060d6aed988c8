"""The program that runs a lecture for the pages: it keeps outputs, and makes figures small."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbclient", reason="Jupyter is not installed beside pytest: no lecture is run here")
pytest.importorskip("matplotlib", reason="matplotlib is not installed beside pytest: no lecture is run here")

from PIL import Image

PROGRAM = Path(__file__).parents[2] / "practicum/course/run_lecture.py"
FIGURE = """\
%matplotlib inline
from matplotlib import pyplot
pyplot.imshow([[x * y for x in range(64)] for y in range(64)])
print(1 + 1)
"""


def run(tmp_path: Path, source: str) -> subprocess.CompletedProcess[str]:
    """Run the program on a notebook of one cell."""
    cell = {"cell_type": "code", "id": "1", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))
    argv = [sys.executable, PROGRAM, tmp_path / "a.ipynb", tmp_path / "b.ipynb"]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_outputs_are_kept_and_figures_have_few_colors(tmp_path: Path) -> None:
    done = run(tmp_path, FIGURE)
    assert done.returncode == 0, done.stderr
    (cell,) = json.loads((tmp_path / "b.ipynb").read_text())["cells"]
    assert "execution" not in cell["metadata"], "no time of the day"
    told = [output["text"] for output in cell["outputs"] if output["output_type"] == "stream"]
    assert "".join(told[0]) == "2\n"
    (figure,) = [output["data"]["image/png"] for output in cell["outputs"] if "image/png" in output.get("data", {})]
    (tmp_path / "figure.png").write_bytes(base64.b64decode("".join(figure)))
    with Image.open(tmp_path / "figure.png") as image:
        assert image.mode == "P" and len(image.getcolors()) <= 48


def test_cell_that_fails_leaves_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, "raise ValueError('no such data')")
    assert done.returncode and "no such data" in done.stderr
    assert not (tmp_path / "b.ipynb").exists()
