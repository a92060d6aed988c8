"""Mini-project noise2noise: both networks of its solution are better than the noisy pictures."""

from __future__ import annotations

from .conftest import Run

PROGRAM = "projects/noise2noise/solutions/test.py"


def test_tiny(run_solution: Run, small_size: None) -> None:
    results = run_solution(PROGRAM)
    assert results["nb_pairs"] == 100
    assert results["psnr"]["noisy"] < results["psnr"]["Miniproject_1"]


def test_full_size(run_solution: Run, full_size: None) -> None:
    results = run_solution(PROGRAM)
    assert results["psnr"]["noisy"] + 3 < results["psnr"]["Miniproject_2"] < results["psnr"]["Miniproject_1"]
