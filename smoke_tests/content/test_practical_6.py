"""Practical 6: what skip connections and batch normalization do to the gradient of the first blocks."""

from __future__ import annotations

from .conftest import Run


def test_norms(run_solution: Run, device: str) -> None:
    """First block against last, on noise with torch 2.13: 24, 0.17, 18 000, 0. Each limit leaves a factor of five."""
    results = run_solution("practicals/practical-6/solutions/practical_6.py", f"--device={device}")
    ratio = {name: means[0] / means[-1] for name, means in results["means"].items()}
    assert all(len(means) == 30 for means in results["means"].values())
    assert 2 < ratio["skip + batch normalization"] < 200, ratio
    assert 0.02 < ratio["skip"] < 3, ratio
    assert ratio["batch normalization"] > 1000, ratio
    assert ratio["neither"] < 1e-6, ratio
