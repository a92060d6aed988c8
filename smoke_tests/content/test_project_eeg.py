"""Mini-project eeg: its solution tells the hands apart, and its networks come in the published order."""

from __future__ import annotations

from .conftest import Run

PROGRAM = "projects/eeg/solutions/test.py"
# Test errors in percent. Real recordings: public results of single networks, 24.3, 23.8 and 20.6, with a wide margin.
# Made-up ones: the means of the statement, with a margin of 8 or of three standard deviations over five
# stand-ins; 8 are two standard errors of 100 test trials.
RANGES = {
    "real": {"logistic": (15, 35), "convnet": (15, 35), "convnet, dropout": (12, 32)},
    "stand-in": {"logistic": (23.2, 47.8), "convnet": (10.1, 34.1), "convnet, dropout": (6.4, 22.4)},
}


def test_tiny(run_solution: Run, small_size: None) -> None:
    results = run_solution(PROGRAM)
    assert results["nb_rounds"] == 1
    # After 10 epochs a convolution is at some 45 % on the stand-in, with 5 % of standard error.
    assert all(5 < mean < 62 for mean in results["mean"].values())


def test_full_size(run_solution: Run, full_size: None) -> None:
    results = run_solution(PROGRAM)
    mean = results["mean"]
    if results["data"] == "stand-in":
        assert mean["convnet, dropout"] < mean["convnet"] < mean["logistic"]
    for name, (low, high) in RANGES[results["data"]].items():
        assert low < mean[name] < high, name
