"""Practical 3, multi-layer perceptron: your functions. The statement is in practical-3.ipynb.

Check them: course-check 3.
"""

import dlc_practical_prologue as prologue
from torch import Tensor


def sigma(x: Tensor) -> Tensor:
    """The non-linearity, tanh (exercise 1)."""
    raise NotImplementedError("exercise 1")


def dsigma(x: Tensor) -> Tensor:
    """Its derivative, for each element of `x` (exercise 1)."""
    raise NotImplementedError("exercise 1")


def loss(v: Tensor, t: Tensor) -> Tensor:
    """The squared L2 norm of t - v, one number (exercise 2)."""
    raise NotImplementedError("exercise 2")


def dloss(v: Tensor, t: Tensor) -> Tensor:
    """Its gradient with respect to v, of the size of v (exercise 2)."""
    raise NotImplementedError("exercise 2")


def forward_pass(
    w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, x: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """(x0, s1, x1, s2, x2) for one sample `x` (exercise 3)."""
    raise NotImplementedError("exercise 3")


def backward_pass(
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    t: Tensor,
    x: Tensor,
    s1: Tensor,
    x1: Tensor,
    s2: Tensor,
    x2: Tensor,
    dl_dw1: Tensor,
    dl_db1: Tensor,
    dl_dw2: Tensor,
    dl_db2: Tensor,
) -> None:
    """Add the gradient of the loss of one sample to the last four tensors (exercise 3)."""
    raise NotImplementedError("exercise 3")


if __name__ == "__main__":
    train_input, train_target, test_input, test_target = prologue.load_data(one_hot_labels=True, normalize=True)
    # Exercise 4: the training.
