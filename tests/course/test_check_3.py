"""The checks of practical 3: the solution passes, and each wrong version is told in its own line."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed beside pytest: nothing of a practical can be checked here")

from checked import PRACTICALS, list_lines, read_solution, vary

SOLUTION = read_solution(3)

SIGMA = "return x.tanh()"
DSIGMA = "return 1 - x.tanh().pow(2)"
LOSS = "return (t - v).pow(2).sum()"
DLOSS = "return 2 * (v - t)"
S1, X1 = "    s1 = w1.mv(x0) + b1\n", "    x1 = sigma(s1)\n    s2 = w2.mv"
S2, X2 = "    s2 = w2.mv(x1) + b2\n    x2 = sigma(s2)", "    x2 = sigma(s2)"
RESULT = "return x0, s1, x1, s2, x2"
DL_DX2, DL_DS2 = "dl_dx2 = dloss(x2, t)", "dl_ds2 = dsigma(s2) * dl_dx2"
DL_DX1, DL_DS1 = "dl_dx1 = w2.t().mv(dl_ds2)", "dl_ds1 = dsigma(s1) * dl_dx1"
DW2, DB2 = "dl_dw2.add_(dl_ds2.outer(x1))", "dl_db2.add_(dl_ds2)"
DW1, DB1 = "dl_dw1.add_(dl_ds1.outer(x))", "dl_db1.add_(dl_ds1)"
FIRST, ALL = "dl_dw1, dl_db1", "dl_dw1, dl_db1, dl_dw2, dl_db2"


def test_the_solution_passes(tmp_path: Path) -> None:
    assert list_lines(3, SOLUTION, tmp_path) == []


def test_the_skeleton_is_not_done(tmp_path: Path) -> None:
    skeleton = (PRACTICALS / "practical-3/practical_3.py").read_text()
    names = ("sigma", "dsigma", "loss", "dloss", "forward_pass", "backward_pass")
    assert list_lines(3, skeleton, tmp_path) == [f"todo {name}: not done yet" for name in names]


WRONG = {
    "ReLU": ((SIGMA, "return x.relu()"), "sigma: gives 0.5000 at x = 0.5, but tanh is 0.4621 there"),
    "the logistic function": (
        (SIGMA, "return x.sigmoid()"),
        "sigma: gives 0.6225 at x = 0.5, but tanh is 0.4621 there",
    ),
    "tanh in place": (
        (SIGMA, "return x.tanh_()"),
        "sigma: changes its argument x: work on a new tensor, the caller needs the old one",
    ),
    "tanh from powers of e": (
        (SIGMA, "return (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())"),
        "sigma: gives nan at x = 100, nan at x = 1000: a power of e is too large there",
    ),
    "math.tanh": (
        (SIGMA, "return math.tanh(x)"),
        "sigma: line 20: NameError: name 'math' is not defined",
    ),
    "the mean of tanh": (
        (SIGMA, "return x.tanh().mean()"),
        "sigma: gives a tensor of one number, expected a tensor of 6 elements",
    ),
    "no square in dsigma": (
        (DSIGMA, "return 1 - x.tanh()"),
        "dsigma: gives 0.5379 at x = 0.5, but the slope of tanh is 0.7864 there",
    ),
    "dsigma of x1": (
        (DSIGMA, "return 1 - x.pow(2)"),
        "dsigma: gives 0.7500 at x = 0.5, but the slope of tanh is 0.7864 there",
    ),
    "no square of the cosh": (
        (DSIGMA, "return 4 / (x.exp() + (-x).exp())"),
        "dsigma: gives 1.7736 at x = 0.5, but the slope of tanh is 0.7864 there",
    ),
    "nan far away": (
        (DSIGMA, "return 1 - ((x.exp() - (-x).exp()) / (x.exp() + (-x).exp())).pow(2)"),
        "dsigma: gives nan at x = 100, nan at x = 1000: a power of e is too large there",
    ),
    "dsigma flattens": (
        (DSIGMA, "return 1 - x.flatten().tanh().pow(2)"),
        "dsigma: gives a tensor of 6 elements, expected a 2 x 3 tensor",
    ),
    "a mean loss": (
        (LOSS, "return (t - v).pow(2).mean()"),
        "loss: the squares of the differences 1, -2, 0, -1 add up to 6, not to 1.5, the mean: the sum is asked",
    ),
    "a norm": (
        (LOSS, "return (t - v).norm()"),
        "loss: the squares of the differences 1, -2, 0, -1 add up to 6, not to 2.449, the norm: its square is asked",
    ),
    "half a loss": (
        (LOSS, "return (t - v).pow(2).sum() / 2"),
        "loss: the squares of the differences 1, -2, 0, -1 add up to 6, not to 3, half of it",
    ),
    "L1": (
        (LOSS, "return (t - v).abs().sum()"),
        "loss: the squares of the differences 1, -2, 0, -1 add up to 6, not to 4",
    ),
    "a loss of each": (
        (LOSS, "return (t - v).pow(2)"),
        "loss: gives a number for each element, expected one: their sum",
    ),
    "no loss": ((LOSS, "(t - v).pow(2).sum()"), "loss: returns nothing: does it end with a return?"),
    "no factor": ((DLOSS, "return v - t"), "dloss: the gradient is 0.5 times what it should be"),
    "a factor too much": ((DLOSS, "return 4 * (v - t)"), "dloss: the gradient is 2 times what it should be"),
    "uphill": ((DLOSS, "return 2 * (t - v)"), "dloss: the gradient has the wrong sign"),
    "uphill without a factor": ((DLOSS, "return t - v"), "dloss: the gradient is -0.5 times what it should be"),
    "the mean's gradient": (
        (DLOSS, "return 2 * (v - t) / len(v)"),
        "dloss: the gradient is 0.2 times what it should be",
    ),
    "one number": (
        (DLOSS, "return 2 * (v - t).sum()"),
        "dloss: gives a tensor of one number, expected a tensor of 5 elements",
    ),
    "a sum": ((DLOSS, "return 2 * (v + t)"), "dloss: the gradient is wrong"),
    "in place": (
        (DLOSS, "return v.sub_(t).mul_(2)"),
        "dloss: changes its argument v: work on a new tensor, the caller needs the old one",
    ),
    "no b1": ((S1, "    s1 = w1.mv(x0)\n"), "forward_pass: s1 is wrong: b1 is missing"),
    "no b2": ((S2, "    s2 = w2.mv(x1)\n" + X2), "forward_pass: s2 is wrong: b2 is missing"),
    "no sigma in the hidden layer": (
        (X1, "    x1 = s1\n    s2 = w2.mv"),
        "forward_pass: x1 is wrong: sigma is missing",
    ),
    "no sigma at the end": (
        (S2, "    s2 = w2.mv(x1) + b2\n    x2 = s2"),
        "forward_pass: x2 is wrong: sigma is missing",
    ),
    "s1 for x1 forwards": (
        (S2, "    s2 = w2.mv(s1) + b2\n" + X2),
        "forward_pass: s2 is wrong: it is made from s1, not from x1",
    ),
    "dsigma for sigma": ((X1, "    x1 = dsigma(s1)\n    s2 = w2.mv"), "forward_pass: x1 is wrong"),
    "w1 the other way": (
        (S1, "    s1 = w1.t().mv(x0) + b1\n"),
        "forward_pass: line 43: RuntimeError: size mismatch, got input (5), mat (5x4), vec (5)",
    ),
    "the output only": (
        (RESULT, "return x2"),
        "forward_pass: gives a tensor of 3 elements, expected five tensors: x0, s1, x1, s2, x2",
    ),
    "another order": (
        (RESULT, "return x0, x1, s1, x2, s2"),
        "forward_pass: the five tensors are not in the order x0, s1, x1, s2, x2",
    ),
    "four things": ((RESULT, "return s1, x1, s2, x2"), "forward_pass: gives a tuple of 4, expected five tensors:"
                    " x0, s1, x1, s2, x2"),
    "x and not x0": ((RESULT, "return x0 * 1.5, s1, x1, s2, x2"), "forward_pass: x0 is wrong"),
    "the bias grows": (
        (S1, "    s1 = b1.add_(w1.mv(x0))\n"),
        "forward_pass: changes its argument b1: work on a new tensor, the caller needs the old one",
    ),
    "a column": ((RESULT, "return x0, s1.view(-1, 1), x1, s2, x2"), None),
    "no dsigma at s2": ((DL_DS2, "dl_ds2 = dl_dx2"), "backward_pass: the derivative of sigma at s2 is missing"),
    "no dsigma at s1": ((DL_DS1, "dl_ds1 = dl_dx1"), "backward_pass: the derivative of sigma at s1 is missing"),
    "dsigma at x2": (
        (DL_DS2, "dl_ds2 = dsigma(x2) * dl_dx2"),
        "backward_pass: the derivative of sigma is taken at x2, not at s2",
    ),
    "dsigma at x1": (
        (DL_DS1, "dl_ds1 = dsigma(x1) * dl_dx1"),
        "backward_pass: the derivative of sigma is taken at x1, not at s1",
    ),
    "a layer is skipped": (
        (DL_DX1, "dl_dx1 = w2.t().mv(dl_dx2)"),
        "backward_pass: the first layer gets dl_dx2 where it needs dl_ds2",
    ),
    "w2 the other way": (
        (DL_DX1, "dl_dx1 = w2.mv(dl_ds2)"),
        "backward_pass: w2 is not transposed on the way back to the first layer",
    ),
    "the target is the output": (
        (DL_DX2, "dl_dx2 = dloss(t, x2)"),
        f"backward_pass: {ALL}: has the wrong sign",
    ),
    "half of dloss": ((DL_DX2, "dl_dx2 = x2 - t"), f"backward_pass: {ALL}: is 0.5 times what it should be"),
    "a factor more in the first layer": (
        (DL_DS1, "dl_ds1 = 2 * dsigma(s1) * dl_dx1"),
        f"backward_pass: {FIRST}: is 2 times what it should be",
    ),
    "the outer product the other way": ((DW2, "dl_dw2.add_(x1.outer(dl_ds2))"), "backward_pass: dl_dw2: is transposed"),
    "the first outer product the other way": (
        (DW1, "dl_dw1.add_(x.outer(dl_ds1))"),
        "backward_pass: dl_dw1: is transposed",
    ),
    "overwritten": (
        (DW2, "dl_dw2.copy_(dl_ds2.outer(x1))"),
        "backward_pass: dl_dw2: overwritten: add to what is there, the gradients of all samples are summed",
    ),
    "a new tensor": (
        (DB1, "dl_db1 = dl_db1 + dl_ds1"),
        "backward_pass: dl_db1: unchanged: add to the tensor that is given, in place",
    ),
    "subtracted": ((DB2, "dl_db2.sub_(dl_ds2)"), "backward_pass: dl_db2: has the wrong sign"),
    "x2 for x1": ((DW2, "dl_dw2.add_(dl_ds2.outer(x2))"), "backward_pass: dl_dw2: is wrong"),
    "s1 for x1 backwards": ((DW2, "dl_dw2.add_(dl_ds2.outer(s1))"), "backward_pass: dl_dw2: is wrong"),
    "the bias is forgotten": (
        (f"    {DB1}\n", ""),
        "backward_pass: dl_db1: unchanged: add to the tensor that is given, in place",
    ),
    "the weights are changed": (
        (DW2, "dl_dw2.add_(dl_ds2.outer(x1))\n    w2 -= 0.1 * dl_dw2"),
        "backward_pass: changes its argument w2: work on a new tensor, the caller needs the old one",
    ),
    "less arguments": (
        ("    t: Tensor,\n    x: Tensor,\n    s1: Tensor,", "    x: Tensor,\n    s1: Tensor,"),
        None,
    ),
    "globals": ((DL_DX2, "dl_dx2 = dloss(x2, target)"), "backward_pass: line 67: NameError: name 'target' is not"
                " defined"),
    "the gradient of the last sample": (
        (DB2, "dl_db2.mul_(0.5).add_(dl_ds2)"),
        "backward_pass: dl_db2: is wrong",
    ),
}  # fmt: skip
BEGINNINGS = {
    "a column": "forward_pass: s1: gives a 4 x 1 tensor, expected a tensor of 4 elements",
    "less arguments": "backward_pass: takes (w1: torch.Tensor, ",
}


@pytest.mark.parametrize("title", WRONG)
def test_what_is_wrong_is_told(tmp_path: Path, title: str) -> None:
    change, expected = WRONG[title]
    lines = list_lines(3, vary(SOLUTION, change), tmp_path)
    if expected is None:
        assert len(lines) == 1
        assert lines[0].startswith(f"wrong {BEGINNINGS[title]}")
    else:
        assert lines == [f"wrong {line}" for line in ([expected] if isinstance(expected, str) else expected)]


RIGHT = {
    "the formula with powers of e": (DSIGMA, "return 4 * (x.exp() + x.mul(-1).exp()).pow(-2)"),
    "torch's name": (f"def sigma(x: Tensor) -> Tensor:\n    \"\"\"The non-linearity, tanh.\"\"\"\n    {SIGMA}",
                     "sigma = torch.tanh"),
    "a lambda": (f"def sigma(x: Tensor) -> Tensor:\n    \"\"\"The non-linearity, tanh.\"\"\"\n    {SIGMA}",
                 "sigma = lambda x: x.tanh()"),
    "a number": (LOSS, "return (t - v).pow(2).sum().item()"),
    "views for the outer product": (DW2, "dl_dw2 += dl_ds2.view(-1, 1) @ x1.view(1, -1)"),
    "mm for mv": (S1, "    s1 = (w1 @ x0.view(-1, 1)).view(-1) + b1\n"),
    "+=": (DB1, "dl_db1 += dl_ds1"),
    "the derivative from the output": (DL_DS2, "dl_ds2 = (1 - x2 * x2) * dl_dx2"),
    "a returned gradient": (DB1, "dl_db1.add_(dl_ds1)\n    return dl_dw1, dl_db1, dl_dw2, dl_db2"),
    "a training without a main": ("def main()", "model = Perceptron(784, 50, 10, 'cpu')\nfor step in range(10**9):\n"
                                  "    model.step(0.1)\n\n\ndef main()"),
}  # fmt: skip


@pytest.mark.parametrize("title", RIGHT)
def test_other_ways_are_right_too(tmp_path: Path, title: str) -> None:
    assert list_lines(3, vary(SOLUTION, RIGHT[title]), tmp_path) == []


def test_a_mistake_in_one_function_is_not_told_of_the_next(tmp_path: Path) -> None:
    text = vary(SOLUTION, (SIGMA, "return x.relu()"), (DSIGMA, "return x"), (DLOSS, "return t - v"))
    assert [line.split(":")[0] for line in list_lines(3, text, tmp_path)] == [
        "wrong sigma",
        "wrong dsigma",
        "wrong dloss",
    ]


def test_functions_that_are_not_done_do_not_hinder_those_that_are(tmp_path: Path) -> None:
    text = vary(SOLUTION, (DSIGMA, "raise NotImplementedError"), (DLOSS, "raise NotImplementedError"))
    assert list_lines(3, text, tmp_path) == ["todo dsigma: not done yet", "todo dloss: not done yet"]
