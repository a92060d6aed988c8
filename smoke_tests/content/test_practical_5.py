"""Practical 5: a shallow network learns from any initialization, a deep one does not. It needs no data."""

from __future__ import annotations

from .conftest import Run


def test_small_run(run_solution: Run, small_size: None) -> None:
    """Test errors of 100 epochs with seeds 0 to 5: 1.0 to 1.2 %, 3.3 to 8.2 %, 1.8 to 11.4 %, 47 to 52 %.

    The first three limits are about twice the largest of these or more, chance has 7 points of room.
    """
    results = run_solution("practicals/practical-5/solutions/practical_5.py")
    tests = {name: {std: pair[1] for std, pair in errors.items()} for name, errors in results["errors"].items()}
    assert tests["shallow"]["None"] < 0.04, tests
    assert tests["shallow"]["0.001"] < 0.15, tests
    assert tests["deep"]["None"] < 0.25, tests
    assert 0.4 < tests["deep"]["0.001"] < 0.6, tests


def test_published_table(run_solution: Run, full_size: None) -> None:
    """Published: shallow 1.0 to 2.0 % always, deep 2.6 to 3.4 %, and 49.9 to 50.1 % from every other beginning.

    Measured with seeds 0 to 5: shallow 0.6 to 2.3 %, deep 2.0 to 4.3 %, others 47 to 53 %; but with a deviation of 0.1,
    3 of 18 seeds learn after all (4 to 12 %). Seed 0, which runs here, does so only between epochs 350 and 500.
    """
    errors = run_solution("practicals/practical-5/solutions/practical_5.py")["errors"]
    assert all(pair[1] < 0.04 for pair in errors["shallow"].values()), errors
    assert errors["deep"].pop("None")[1] < 0.08, errors
    assert all(pair[1] > 0.4 for pair in errors["deep"].values()), errors
