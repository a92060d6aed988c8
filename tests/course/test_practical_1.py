"""Practical 1: what its solution's functions give."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "course_content/practicals/practical-1"


@pytest.fixture(scope="module")
def solution() -> ModuleType:
    """The reference solution."""
    pytest.importorskip("torch", reason="torch is not installed beside pytest: the solution is not run here")
    specification = importlib.util.spec_from_file_location("solution_1", FOLDER / "solutions/practical_1.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_grid_is_the_one_of_the_statement(solution: ModuleType) -> None:
    grid = solution.make_grid()
    assert tuple(grid.shape) == (13, 13)
    assert [(grid == value).sum().item() for value in (1, 2, 3)] == [84, 69, 16]
    statement = (FOLDER / "practical-1.nb.py").read_text()
    assert re.findall("^# ([123](?: [123]){12})$", statement, re.MULTILINE) == [
        " ".join(str(int(value)) for value in row) for row in grid
    ]


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
