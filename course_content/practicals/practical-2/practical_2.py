"""Practical 2, nearest neighbour and PCA: your functions. The statement is in practical-2.ipynb.

Check them: course-check 2.
"""

import dlc_practical_prologue as prologue
import torch
from torch import Tensor


def nearest_classification(train_input: Tensor, train_target: Tensor, x: Tensor) -> Tensor:
    """The class of the sample of `train_input` (n x d) closest to `x` (d) in L2, without a loop (exercise 1)."""
    raise NotImplementedError("exercise 1")


def compute_nb_errors(
    train_input: Tensor,
    train_target: Tensor,
    test_input: Tensor,
    test_target: Tensor,
    mean: Tensor | None = None,
    proj: Tensor | None = None,
) -> int:
    """The number of test samples that the nearest training sample classifies wrongly (exercise 2).

    `mean` (d) is subtracted from all samples first, then they are projected by `proj` (c x d); None: not done.
    """
    raise NotImplementedError("exercise 2")


def PCA(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (d) of `x` (n x d) and the PCA basis (d x d), a vector a row, by decreasing eigenvalue (exercise 3)."""
    raise NotImplementedError("exercise 3")


if __name__ == "__main__":
    for cifar in (False, True):
        train_input, train_target, test_input, test_target = prologue.load_data(cifar=cifar)
        nb_errors = compute_nb_errors(train_input, train_target, test_input, test_target)
        print(f"Baseline nb_errors {nb_errors} error {100 * nb_errors / test_input.size(0):.2f}%")
        # Exercise 4: the random subspace, then PCA. A start:
        basis = torch.randn(100, train_input.size(1))
