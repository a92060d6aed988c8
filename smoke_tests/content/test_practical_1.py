"""Practical 1: tensors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import Run

SOLUTION = "practicals/practical-1/solutions/practical_1.py"

pytestmark = pytest.mark.sample


@pytest.fixture
def launcher(launcher: list[Path]) -> list[Path]:
    """As for any solution, and its clock shows the time of the processor."""
    return [*launcher, Path(__file__).with_name("processor_clock.py")]


def test_results_are_those_of_the_statement(run_solution: Run) -> None:
    results = run_solution(SOLUTION)
    assert results["grid_sum"] == 270
    assert results["eigenvalue_deviation"] < 1e-6
    if "QEMU_CPU" not in os.environ:  # an emulated processor makes no promise
        # "Billions, or tens of billions" on a core of its own.
        assert results["products_per_second"] > 1e8
    # 300 to 4000 measured, whatever the size. "More than a hundred times" is the student's to see.
    assert results["speed_up"] > 20
