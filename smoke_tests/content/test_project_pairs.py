"""Mini-project pairs: its solution shows that weight sharing and, above all, auxiliary losses help."""

from __future__ import annotations

import pytest

from .conftest import Run

PROGRAM = "projects/pairs/solutions/test.py"
# Mean and standard deviation of test errors in percent, which the statement shows: published ones of other networks on
# the real MNIST, and ours on its stand-in, version 1, over 10 rounds.
ERRORS = {
    "real": {"plain": (16.7, 1.7), "sharing": (12.7, 1.6), "auxiliary": (6.6, 0.8), "both": (5.0, 0.9)},
    "stand-in": {"plain": (22.0, 1.3), "sharing": (19.2, 1.8), "auxiliary": (9.9, 1.4), "both": (7.7, 1.1)},
}
NB_ROUNDS, NB_PARAMETERS = 10, 70_000


def test_tiny(run_solution: Run, small_size: None) -> None:
    results = run_solution(PROGRAM)
    assert set(results["mean"]) == {"plain", "sharing", "auxiliary", "both"}
    assert all(abs(count - NB_PARAMETERS) < 1000 for count in results["nb_parameters"].values())
    assert all(0 < mean < 60 for mean in results["mean"].values())


def test_full_size(run_solution: Run, full_size: None) -> None:
    results = run_solution(PROGRAM)
    mean = results["mean"]
    assert results["nb_rounds"] == NB_ROUNDS
    assert mean["both"] < mean["auxiliary"] < mean["sharing"] < mean["plain"]
    if results["data"] not in ERRORS:
        pytest.skip(f"no errors for data whose source is {results['data']}")
    for name, (expected, std) in ERRORS[results["data"]].items():
        assert abs(mean[name] - expected) < (8 if results["data"] == "real" else 3 * std), name
