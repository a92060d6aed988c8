"""Every lecture runs from its first cell to its last, and then holds the numbers that it is about.

`lecture_NN.py` beside this file is run as one more cell of lecture NN, on the variables of the notebook.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from . import forks
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
SEED = re.compile(r"manual_seed\((\w+)\)")

RunLecture = Callable[..., None]


@pytest.fixture
def run_lecture(
    content: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, matplotlib_folder: Path, is_forked: bool
) -> RunLecture:
    """Execute the notebook of a lecture: a first cell, its own, and the checks of this folder.

    Its own cells with their output are kept in the folder COURSE_KEPT, where there is one. Its seeds grow by `shift`.
    """

    def run(number: int, first_cell: str = "", shift: int = 0) -> None:
        (path,) = content.glob(f"lectures/lecture-{number:02}-*.ipynb")
        if not os.environ.get(FULL):
            monkeypatch.setenv("COURSE_TINY", "1")
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        monkeypatch.setenv("MPLCONFIGDIR", str(matplotlib_folder))
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        if is_forked:
            monkeypatch.setattr("jupyter_client.provisioning.local_provisioner.launch_kernel", forks.launch_kernel)
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells if shift else ():
            cell.source = SEED.sub(rf"manual_seed(\1 + {shift})", cell.source)
        notebook.cells.insert(0, nbformat.v4.new_code_cell(first_cell + STRICTLY))
        notebook.cells.append(nbformat.v4.new_code_cell((HERE / f"lecture_{number:02}.py").read_text()))
        client = nbclient.NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=None if os.environ.get(FULL) else LIMIT,
            resources={"metadata": {"path": str(path.parent)}},
        )
        client.execute()
        warnings = [text for text in find_complaints(notebook) if "Warning" in text]
        assert not warnings, warnings[0]
        undescribed = [cell.source for cell in notebook.cells if any(map(lacks_words, cell.get("outputs", ())))]
        assert not undescribed, f"a figure without words, not shown by prologue.show: {undescribed[0]}"
        if (kept := os.environ.get("COURSE_KEPT")) and not first_cell and not shift:
            notebook.cells = notebook.cells[1:-1]
            nbformat.write(notebook, Path(kept, path.name))

    return run


def find_complaints(notebook: Any) -> Iterator[str]:
    """Return what the cells of an executed notebook wrote to stderr."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "stream" and output.name == "stderr":
                yield output.text


def lacks_words(output: Any) -> bool:
    """Return whether an output is a picture that has nothing for those who cannot see it."""
    return "image/png" in output.get("data", {}) and not output.metadata.get("image/png", {}).get("alt")


@pytest.mark.parametrize(
    "number", [pytest.param(1, marks=pytest.mark.sample), *range(2, 12)], ids="lecture-{:02}".format
)
def test_lecture(run_lecture: RunLecture, number: int) -> None:
    run_lecture(number)


@pytest.mark.parametrize("shift", [100, 200])
@pytest.mark.parametrize("number", range(4, 12), ids="lecture-{:02}".format)
def test_other_seeds(run_lecture: RunLecture, full_size: None, number: int, shift: int) -> None:
    """What a lecture says of a number is true of three seeds, the published one and these."""
    run_lecture(number, shift=shift)


@pytest.mark.parametrize("number", range(1, 12), ids="lecture-{:02}".format)
def test_with_pretended_gpu(run_lecture: RunLecture, pretended_gpu: Path, number: int) -> None:
    run_lecture(number, f"import sys\nsys.path.append({str(HERE)!r})\nimport pretended_gpu\npretended_gpu.enable()\n")
