"""Mini-project eeg: its solution tells the hands apart, and dropout does no harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PROGRAM = "projects/eeg/solutions/test.py"
# Test errors in percent of the real recordings (public results: 24.3, 23.8, 20.6, of single networks) and of made-up
# ones (seeds 0 to 4: EEG_RANGE), each with a margin of at least 5 for 100 test trials.
RANGES = {
    "real": {"logistic": (15, 35), "convnet": (15, 35), "convnet, dropout": (12, 32)},
    "stand-in": {"logistic": (16, 36), "convnet": (16, 38), "convnet, dropout": (14, 36)},
}


def test_tiny(run_solution: Callable[..., dict[str, Any]], device: str) -> None:
    results = run_solution(PROGRAM, "--device", device)
    assert results["nb_rounds"] == 1
    assert all(5 < mean < 55 for mean in results["mean"].values())


def test_full_size(run_solution: Callable[..., dict[str, Any]], device: str, full_size: None) -> None:
    results = run_solution(PROGRAM, "--device", device)
    for name, (low, high) in RANGES[results["data"]].items():
        assert low < results["mean"][name] < high, name
