"""Every number in a statement of a project is one that a program has, or that a test of its solution asserts."""

import math
import re
from collections.abc import Iterable

import pytest
from statements import PROJECTS, ROOT, read_constants, read_text

CONTENT = "course_content/projects"
TESTS = "smoke_tests/content"


def join_row(name: str, cells: Iterable[object]) -> str:
    """Return the row of a table."""
    return f"| {name} | {' | '.join(map(str, cells))} |"


def list_eeg() -> list[str]:
    data, tests = read_constants(f"{CONTENT}/eeg/dlc_bci.py"), read_constants(f"{TESTS}/test_project_eeg.py")
    nb, nb_train, nb_test = len(data["CHANNELS"]), data["NB_TRAIN"], data["NB_TEST"]
    standard_error = 100 * math.sqrt(0.2 * 0.8 / nb_test)
    return [
        "from the EEG, 130 ms before the key",  # what was recorded
        "Test errors in percent: published ones",
        f"one subject, {nb} electrodes, {nb_train} trials to train and {nb_test} to test. Each trial is"
        f" {nb} x 50 (100 Hz) or, with `one_khz=True`, {nb} x 500. Targets are 0 for the left hand and 1"
        " for the right one.",
        join_row("real", tests["PUBLISHED"].values()),
        join_row("stand-in", (f"{mean} +- {std}" for mean, std in tests["STAND_IN"].values())),
        "A published multi-layer perceptron had 31.2 % test error on the real recordings, more than the logistic",
        f"{nb_train} trials are few, and {nb_test} to test are fewer: with {nb_test} trials, an error of 20 % has a"
        f" standard error of {standard_error:.0f} %.",
    ]


def list_framework() -> list[str]:
    tests = read_constants(f"{TESTS}/test_project_framework.py")
    solution = read_constants(f"{CONTENT}/framework/solutions/test.py")
    (low, high), units = tests["PERCENT"], 25
    assert 2 * units + units + 2 * (units * units + units) + units * 2 + 2 == tests["NB_PARAMETERS"]
    assert "RADIUS = 1 / math.sqrt(2 * math.pi)" in (ROOT / CONTENT / "framework/solutions/test.py").read_text()
    return [
        r"uniformly in the square $[0, 1]^2$, with label 1 inside the disc of radius $1/\sqrt{2\pi}$ around"
        f" $(0.5, 0.5)$ and label 0 outside: {solution['NB']} to train, {solution['NB']} to test.",
        f"two inputs, **three hidden layers of {units} units** and two outputs",
        f"Some {solution['NB_EPOCHS']} epochs take a few seconds, and about {low} to {high} % test error is what to",
        r"$f'(x) \approx \frac{f(x + h) - f(x - h)}{2h}$; do the same for one weight of your network at a time, in"
        " `torch.float64` with $h = 10^{-5}$",  # the cell below does it
    ]


def list_noise2noise() -> list[str]:
    data = read_constants(f"{CONTENT}/noise2noise/dlc_noise.py")
    noisy, by_torch, own = read_constants(f"{TESTS}/test_project_noise2noise.py")["PSNR"].values()
    nb, check = data["NB"], (ROOT / "course_content/tools/src/course_tools/submit/noise_check.py").read_text()
    (limit,) = re.findall(r"^LARGEST = (\d+) \* MEGABYTE$", check, re.MULTILINE)
    return [
        "(Lehtinen et al., 2018)",
        f"All tensors are N x 3 x 32 x 32, of type uint8, from 0 to 255. `load_train()` gives {nb['train']} pairs of"
        f" noisy pictures, `load_val()` {nb['val']} noisy pictures",
        f"with a standard deviation of {data['STD']:.0f}.",
        r"With values from 0 to 1, the peak signal-to-noise ratio is $-10 \log_{10}"
        r" \frac{1}{D} \sum_i (\hat{x}_i - x_i)^2$",
        "A network of two convolutions with stride 2, two upsamplings with a convolution each",
        f"With {nb['train']} pairs of drawn pictures of {noisy} dB, a small network by `torch.nn` got to {by_torch} dB,"
        f" one by own modules to {own} dB.",
        f"`bestmodel.pth` has at most {limit} MB",
    ]


def list_pairs() -> list[str]:
    tests = read_constants(f"{TESTS}/test_project_pairs.py")
    nb_epochs = read_constants(f"{CONTENT}/pairs/solutions/training.py")["NB_EPOCHS"]
    rows = {
        f"MNIST, {kind}": [f"{mean} +- {std}" for mean, std in errors.values()]
        for kind, errors in tests["ERRORS"].items()
    }
    return [
        "each digit averaged down to 14 x 14 pixels",  # test_prologue.py asserts the sizes, types and contents
        "| N x 2 x 14 x 14 |",
        "1 where the first digit is not larger than the second, else 0 |",
        "| N x 2 |",
        "| the two digits, from 0 to 9 |",
        "Use N = 1000.",
        f"**{tests['NB_ROUNDS']} rounds or more**",
        f"means and standard deviations over 32 and {tests['NB_ROUNDS']} rounds.",
        f"those of the second have some {tests['NB_PARAMETERS']:,} parameters".replace(",", " ")
        + f" and were trained for {nb_epochs} epochs",
        join_row("MNIST, real, published", rows["MNIST, real"]),
        join_row("MNIST, stand-in", rows["MNIST, stand-in"]),
    ]


LISTS = {"eeg": list_eeg, "framework": list_framework, "noise2noise": list_noise2noise, "pairs": list_pairs}

FORMAL = (
    r"`[^`]*`",  # names, also of files and commands
    r"\[\d\.\]|(?<=\s)[1-9]\.(?= )",  # a list counts
    r"What part of the targets is 1",
    r"2 to 3 pages",
    r"int64|float32|uint8|Conv1d|Noise2Noise|Competition II|C3|C4",
)
"""Numbers that claim nothing."""


def test_every_statement_is_read() -> None:
    assert {path.parent.name for path in PROJECTS.glob("*/statement.nb.py")} == LISTS.keys()


@pytest.mark.parametrize("project", LISTS)
def test_numbers_of_a_statement(project: str) -> None:
    text = read_text(project)
    for claim in LISTS[project]():
        assert claim in text, f"not in the statement: {claim}"
        text = text.replace(claim, " ")
    for formal in FORMAL:
        text = re.sub(formal, " ", text)
    left = re.findall(r".{0,40}\d.{0,40}", text)
    assert not left, f"a number that no test knows: {left}"
