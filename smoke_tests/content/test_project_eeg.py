"""Mini-project eeg: its solution tells the hands apart, and its networks come in the published order."""

from __future__ import annotations

from .conftest import Run

PROGRAM = "projects/eeg/solutions/test.py"
# Test errors in percent, which the statement shows: published ones of single networks on the real recordings, and mean
# and standard deviation of five stand-ins (--seed 0 to 4, ten rounds each).
PUBLISHED = {"logistic": 24.3, "convnet": 23.8, "convnet, dropout": 20.6}
STAND_IN = {"logistic": (35.7, 4.1), "convnet": (23.0, 4.7), "convnet, dropout": (16.3, 2.3)}


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
        for name, (expected, std) in STAND_IN.items():
            # Two standard errors of 100 test trials, or three standard deviations over the stand-ins.
            assert abs(mean[name] - expected) < max(8, 3 * std), name
    else:
        assert all(abs(mean[name] - expected) < 12 for name, expected in PUBLISHED.items()), mean
