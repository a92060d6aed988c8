"""Mini-project pairs: its solution shows that weight sharing and, above all, auxiliary losses help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

PROGRAM = "projects/pairs/solutions/test.py"
# Test errors in percent. Real: published, 32 rounds, mean +- 3 standard deviations, and for another network 3 more.
RANGES = {
    "real": {"plain": (9, 25), "sharing": (5, 21), "auxiliary": (1, 12), "both": (0, 11)},
    "stand-in": {"plain": (17, 29), "sharing": (13, 25), "auxiliary": (6, 14), "both": (4, 12)},
}


def test_tiny(run_solution: Callable[..., dict[str, Any]], device: str) -> None:
    results = run_solution(PROGRAM, "--device", device)
    assert set(results["mean"]) == {"plain", "sharing", "auxiliary", "both"}
    assert all(abs(count - 69_600) < 300 for count in results["nb_parameters"].values())
    assert all(0 < mean < 60 for mean in results["mean"].values())


def test_full_size(run_solution: Callable[..., dict[str, Any]], device: str, full_size: None) -> None:
    results = run_solution(PROGRAM, "--device", device)
    mean = results["mean"]
    assert results["nb_rounds"] == 10
    assert mean["both"] < mean["auxiliary"] < mean["sharing"] < mean["plain"]
    if results["data"] not in RANGES:
        pytest.skip(f"no ranges for data whose source is {results['data']}")
    for name, (low, high) in RANGES[results["data"]].items():
        assert low < mean[name] < high, name
