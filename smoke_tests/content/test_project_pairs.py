"""Mini-project pairs: its solution shows that weight sharing and, above all, auxiliary losses help."""

from __future__ import annotations

import pytest

from .conftest import Run

PROGRAM = "projects/pairs/solutions/test.py"
# Test errors in percent, around those of the statement. Real: published, of other networks, a margin of 4 to 8.
# Stand-in, version 1, 10 rounds: 3 standard deviations.
RANGES = {
    "real": {"plain": (9, 25), "sharing": (5, 21), "auxiliary": (1, 12), "both": (0, 11)},
    "stand-in": {"plain": (18, 26), "sharing": (13, 25), "auxiliary": (5.5, 14.5), "both": (4, 11.5)},
}


def test_tiny(run_solution: Run, small_size: None) -> None:
    results = run_solution(PROGRAM)
    assert set(results["mean"]) == {"plain", "sharing", "auxiliary", "both"}
    assert all(abs(count - 69_600) < 300 for count in results["nb_parameters"].values())
    assert all(0 < mean < 60 for mean in results["mean"].values())


def test_full_size(run_solution: Run, full_size: None) -> None:
    results = run_solution(PROGRAM)
    mean = results["mean"]
    assert results["nb_rounds"] == 10
    assert mean["both"] < mean["auxiliary"] < mean["sharing"] < mean["plain"]
    if results["data"] not in RANGES:
        pytest.skip(f"no ranges for data whose source is {results['data']}")
    for name, (low, high) in RANGES[results["data"]].items():
        assert low < mean[name] < high, name
