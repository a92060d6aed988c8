"""Mini-project noise2noise: both networks of its solution are better than the noisy pictures."""

from __future__ import annotations

from .conftest import Run

PROGRAM = "projects/noise2noise/solutions/test.py"
# Full size, stand-in for CIFAR-10, seed 0: 19.1 dB noisy, 25.0 dB by torch.nn, 23.3 dB by the own framework.


def test_tiny(run_solution: Run, small_size: None) -> None:
    results = run_solution(PROGRAM)
    assert results["nb_pairs"] == 100
    assert results["psnr"]["noisy"] < results["psnr"]["Miniproject_1"]


def test_full_size(run_solution: Run, full_size: None) -> None:
    results = run_solution(PROGRAM)
    assert results["psnr"]["noisy"] + 3 < results["psnr"]["Miniproject_2"] < results["psnr"]["Miniproject_1"]
