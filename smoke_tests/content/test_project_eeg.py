"""Mini-project eeg: its solution tells the hands apart, with each of its networks."""

from __future__ import annotations

from .conftest import Run

PROGRAM = "projects/eeg/solutions/test.py"
# Test errors in percent. Real recordings: public results of single networks, 24.3, 23.8 and 20.6, with a wide margin.
# Made-up ones, means of 10 rounds for seeds 0 to 4: 23.3 to 26.9, 22.7 to 32.7, 22.4 to 35.4, with a margin of 8, two
# standard errors of 100 test trials.
RANGES = {
    "real": {"logistic": (15, 35), "convnet": (15, 35), "convnet, dropout": (12, 32)},
    "stand-in": {"logistic": (15, 35), "convnet": (14.5, 41), "convnet, dropout": (14, 43.5)},
}


def test_tiny(run_solution: Run, small_size: None) -> None:
    results = run_solution(PROGRAM)
    assert results["nb_rounds"] == 1
    assert all(5 < mean < 55 for mean in results["mean"].values())


def test_full_size(run_solution: Run, full_size: None) -> None:
    results = run_solution(PROGRAM)
    for name, (low, high) in RANGES[results["data"]].items():
        assert low < results["mean"][name] < high, name
