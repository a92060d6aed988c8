"""Practical 6: what skip connections and batch normalization do to the gradient of the first blocks."""

from __future__ import annotations

from .conftest import Run


def test_norms(run_solution: Run) -> None:
    """First block against last, on the stand-in: four orders of magnitude lie between what each setting does.

    Small runs, seeds 0 to 19: 13 to 37, 0.09 to 1.02, 6800 to 51 000, 0. Full ones, seeds 0 to 5: 15 to 24, 0.14 to
    0.61, 17 000 to 38 000, 0. Each limit leaves at least a factor of 2.9.
    """
    results = run_solution("practicals/practical-6/solutions/practical_6.py")
    ratio = {name: means[0] / means[-1] for name, means in results["means"].items()}
    assert all(len(means) == 30 for means in results["means"].values())
    assert 4 < ratio["skip + batch normalization"] < 150, ratio
    assert 0.02 < ratio["skip"] < 3, ratio
    assert ratio["batch normalization"] > 1000, ratio
    assert ratio["neither"] < 1e-6, ratio
