"""Every lecture runs from its first cell to its last, and then holds the numbers that it is about.

`lecture_NN.py` beside this file is run as one more cell of lecture NN, on the variables of the notebook.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import FULL, LIMIT

nbformat = pytest.importorskip("nbformat", reason="notebooks are run with nbformat and nbclient, which Jupyter brings")
nbclient = pytest.importorskip("nbclient", reason="notebooks are run with nbformat and nbclient, which Jupyter brings")

HERE = Path(__file__).parent
STRICTLY = """\
import warnings
for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
    warnings.filterwarnings("error", category=category, module=r"__main__|torch|torchvision")
warnings.filterwarnings("error", message=".*deprecated.*")
"""


@pytest.mark.parametrize("number", range(1, 12), ids="lecture-{:02}".format)
def test_lecture(content: Path, number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (path,) = content.glob(f"lectures/lecture-{number:02}-*.ipynb")
    if not os.environ.get(FULL):
        monkeypatch.setenv("COURSE_TINY", "1")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(STRICTLY))
    notebook.cells.append(nbformat.v4.new_code_cell((HERE / f"lecture_{number:02}.py").read_text()))
    client = nbclient.NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=None if os.environ.get(FULL) else LIMIT,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    errors = [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr" and "Warning" in output.text
    ]
    assert not errors, errors[0].text
