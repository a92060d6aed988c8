"""Practical 1: tensors."""

from __future__ import annotations

from .conftest import Run

SOLUTION = "practicals/practical-1/solutions/practical_1.py"


def test_results_are_those_of_the_statement(run_solution: Run, device: str) -> None:
    results = run_solution(SOLUTION, "--device", device)
    assert results["grid_sum"] == 270
    assert results["eigenvalue_deviation"] < 1e-6
    # "Billions, or tens of billions" on an idle core; this one may have to share it.
    assert results["products_per_second"] > 1e8
    # 300 to 4000 measured, whatever the size. "More than a hundred times" is the student's to see.
    assert results["speed_up"] > 20
