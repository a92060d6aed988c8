"""Practical 1, tensors: your functions. The statement is in practical-1.ipynb. Check them: course-check 1."""

from torch import Tensor


def make_grid() -> Tensor:
    """The 13 x 13 matrix of exercise 1, without a loop."""
    raise NotImplementedError("exercise 1")


def compute_eigenvalues(n: int = 20) -> Tensor:
    """The eigenvalues (n, complex) of M^-1 diag(1, ..., n) M for a random M, without a loop (exercise 2)."""
    raise NotImplementedError("exercise 2")


def measure_products_per_second(n: int = 5000) -> float:
    """How many products of two numbers a second this machine does in a matrix product (exercise 3)."""
    raise NotImplementedError("exercise 3")


def mul_row(m: Tensor) -> Tensor:
    """A copy of `m` with row i multiplied by i + 1, with Python loops over the elements (exercise 4)."""
    raise NotImplementedError("exercise 4")


def mul_row_fast(m: Tensor) -> Tensor:
    """The same without a loop (exercise 4)."""
    raise NotImplementedError("exercise 4")


if __name__ == "__main__":
    print(make_grid())
