"""Mini-project noise2noise: both networks of its solution are better than the noisy pictures."""

from __future__ import annotations

from .conftest import Run

PROGRAM = "projects/noise2noise/solutions/test.py"
PSNR = {"noisy": 19.1, "Miniproject_1": 25.0, "Miniproject_2": 23.3}
"""In dB, of drawn pictures, as the statement has them; seed 0."""


def test_tiny(run_solution: Run, small_size: None) -> None:
    results = run_solution(PROGRAM)
    assert results["nb_pairs"] == 100
    assert results["psnr"]["noisy"] < results["psnr"]["Miniproject_1"]


def test_full_size(run_solution: Run, full_size: None) -> None:
    results = run_solution(PROGRAM)
    assert results["psnr"]["noisy"] + 3 < results["psnr"]["Miniproject_2"] < results["psnr"]["Miniproject_1"]
    if results["data"] == "stand-in":
        assert all(abs(results["psnr"][name] - expected) < 0.5 for name, expected in PSNR.items()), results
