"""The statements of the mini-projects: their cells run, their figures have words, and show what the text says."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

Values = list[Any]
"""What the cells that end with an expression show, in order."""


def check_eeg(values: Values) -> None:
    assert [*map(tuple, values[0])] == [(316, 28, 50), (316,), (100, 28, 50)]


def check_framework(values: Values) -> None:
    by_differences, right = values[-1]
    assert torch.allclose(by_differences, right, rtol=0, atol=1e-9)


def check_noise2noise(values: Values) -> None:
    (shape, kind, _), psnr, (_, folded) = values
    assert shape[1:] == (3, 32, 32) and kind == torch.uint8
    assert 18 < psnr < 20  # of 20 pictures; the statement says 19.1 of 200
    x = torch.arange(16.0).view(4, 4)
    assert (folded / x).flatten()[1:].tolist() == [2, 2, 1, 2, 4, 4, 2, 2, 4, 4, 2, 1, 2, 2, 1]


def check_pairs(values: Values) -> None:
    shapes, mean = values
    assert [*map(tuple, shapes)] == [(1000, 2, 14, 14), (1000,), (1000, 2)]
    assert 0.5 < mean < 0.6  # 0.55 for digits that are drawn independently


CHECKS: dict[str, Callable[[Values], None]] = {
    "eeg": check_eeg,
    "framework": check_framework,
    "noise2noise": check_noise2noise,
    "pairs": check_pairs,
}


def test_every_project_is_here(content: Path) -> None:
    assert {path.parent.name for path in content.glob("projects/*/statement.ipynb")} == CHECKS.keys()


@pytest.mark.parametrize("project", CHECKS)
def test_statement(content: Path, project: str, matplotlib_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No kernel runs it: it would import torch once more."""
    monkeypatch.setenv("MPLCONFIGDIR", str(matplotlib_folder))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("COURSE_TINY", "1")  # of noise2noise; the prologue is not asked for its small sets here
    monkeypatch.chdir(content / "projects" / project)
    monkeypatch.syspath_prepend(".")
    monkeypatch.setattr("sys.argv", ["statement"])
    import dlc_practical_prologue as prologue

    figures: list[str] = []
    monkeypatch.setattr(prologue, "show", figures.append)
    names: dict[str, Any] = {}
    values: Values = []
    for cell in json.loads(Path("statement.ipynb").read_text())["cells"]:
        if cell["cell_type"] == "code":
            *statements, last = ast.parse("".join(cell["source"])).body
            if isinstance(last, ast.Expr):
                exec(compile(ast.Module(statements, []), project, "exec"), names)
                shown = eval(compile(ast.Expression(last.value), project, "eval"), names)
                values += [] if shown is None else [shown]
            else:
                exec(compile(ast.Module([*statements, last], []), project, "exec"), names)
    assert len(figures) == 1
    CHECKS[project](values)
