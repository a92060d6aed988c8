"""Practical 1: its solution is right, and its notebook and skeleton are what a student can start from."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

CONTENT = Path(__file__).parents[2] / "course_content"
FOLDER = CONTENT / "practicals/practical-1"
NOTEBOOKS = sorted(CONTENT.rglob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_valid_and_without_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    identities = [cell["id"] for cell in notebook["cells"]]
    assert len(set(identities)) == len(identities)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", identity) for identity in identities)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
            ast.parse("".join(cell["source"]))
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: only the checks above were made")
    nbformat.validate(notebook)


def test_there_is_a_notebook_and_the_landing_page_leads_to_it() -> None:
    links = re.findall(r"\]\(([^)]+)\)", (CONTENT / "index.md").read_text())
    assert FOLDER / "practical-1.ipynb" in NOTEBOOKS
    assert {CONTENT / link for link in links} == set(NOTEBOOKS)


def test_skeleton_and_solution_have_the_same_functions() -> None:
    def signatures(path: Path) -> dict[str, list[str]]:
        functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
        return {function.name: [argument.arg for argument in function.args.args] for function in functions}

    skeleton, solution = signatures(FOLDER / "practical_1.py"), signatures(FOLDER / "solutions/practical_1.py")
    assert set(skeleton) <= set(solution)
    for name, arguments in skeleton.items():
        assert solution[name][: len(arguments)] == arguments


@pytest.fixture(scope="module")
def solution() -> ModuleType:
    """The reference solution."""
    pytest.importorskip("torch", reason="torch is not installed beside pytest: the solution is not run here")
    specification = importlib.util.spec_from_file_location("solution_1", FOLDER / "solutions/practical_1.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_grid(solution: ModuleType) -> None:
    grid = solution.make_grid()
    assert tuple(grid.shape) == (13, 13)
    assert [(grid == value).sum().item() for value in (1, 2, 3)] == [84, 69, 16]
    drawing = "".join(json.loads((FOLDER / "practical-1.ipynb").read_text())["cells"][2]["source"])
    assert "\n".join(" ".join(str(int(value)) for value in row) for row in grid) in drawing


def test_the_eigenvalues(solution: ModuleType) -> None:
    import torch

    torch.manual_seed(0)
    values = solution.compute_eigenvalues()
    wanted = torch.arange(1.0, 21.0, dtype=torch.float64)
    torch.testing.assert_close(values.real.sort().values, wanted, atol=1e-6, rtol=0)
    assert values.imag.abs().max() < 1e-6


def test_the_two_ways_to_multiply_rows_agree_and_spare_their_argument(solution: ModuleType) -> None:
    import torch

    m = torch.randn(7, 5)
    kept = m.clone()
    torch.testing.assert_close(solution.mul_row(m), solution.mul_row_fast(m))
    assert torch.equal(m, kept)
    assert solution.mul_row_fast(torch.full((4, 8), 2.0))[:, 0].tolist() == [2, 4, 6, 8]


def test_the_tiny_run_takes_seconds_and_writes_its_results(solution: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    warnings_are_errors = ["-W", "error::DeprecationWarning", "-W", "error::FutureWarning"]
    argv = [
        sys.executable,
        *warnings_are_errors,
        str(FOLDER / "solutions/practical_1.py"),
        "--tiny",
        "--json",
        str(path),
    ]
    subprocess.run(argv, check=True, capture_output=True, timeout=120)
    results = json.loads(path.read_text())
    assert results["grid_sum"] == 270
    assert results["eigenvalue_deviation"] < 1e-6
    assert results["products_per_second"] > 1e8
    assert results["speed_up"] > 2
    assert results["seconds"] < 30
