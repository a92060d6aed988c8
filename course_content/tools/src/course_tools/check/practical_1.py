"""Checks of practical 1: tensors."""

import inspect
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from course_tools.check.checking import Complaint, Note, Student, check, describe

LEAST_FACTOR = 20  # between the two ways to multiply rows of 1000 x 400: some 300 on one core, 50 when it is overloaded
MATRIX_SIZE = 2000  # of the products whose time is measured: half a second
SPEED_ROWS = 1000
WITHIN = 20  # how far a measured speed may be from ours, on a machine where others compute too


@check("make_grid")
def grid(student: Student) -> Iterator[str]:
    value = student.tensor("make_grid", student.call("make_grid"), (13, 13))
    expected = torch.ones(13, 13)
    expected[[1, 6, 11]] = 2
    expected[:, [1, 6, 11]] = 2
    blocks = torch.tensor([3, 4, 8, 9])
    expected[blocks[:, None], blocks] = 3
    if loop := student.find_loop("make_grid"):
        yield f"make_grid: {loop} is a loop: write through slices of the tensor"
    wrong = (value != expected).nonzero()
    if len(wrong):
        row, column = wrong[0].tolist()
        yield (
            f"make_grid: {len(wrong)} of the 169 elements are wrong, the first at row {row}, column {column}:"
            f" {value[row, column].item():g}"
        )


@check("compute_eigenvalues")
def eigenvalues(student: Student) -> Iterator[str]:
    if loop := student.find_loop("compute_eigenvalues"):
        yield f"compute_eigenvalues: {loop} is a loop"
    # The condition of M varies: in float32 one draw in a hundred is off by more than 0.05, three in a row are not.
    deviations = [measure_deviation(student) for _ in range(3)]
    if not min(deviations) < 0.05:
        yield f"compute_eigenvalues: not 1, 2, ..., 20 but up to {min(deviations):.2g} away from them"


def measure_deviation(student: Student) -> float:
    """Return how far the student's eigenvalues are from 1, ..., 20."""
    values = student.tensor("compute_eigenvalues", student.call("compute_eigenvalues"))
    if tuple(values.shape) == (20, 2):  # the real and imaginary parts, as torch gave them until 2021
        values = torch.view_as_complex(values.contiguous())
    values = student.tensor("compute_eigenvalues", values, (20,)).to(torch.complex128)
    expected = torch.arange(1.0, 21.0, dtype=torch.float64)
    real = (values.real.sort().values - expected).abs().max()
    return float(max(real.item(), values.imag.abs().max().item()))


@check("measure_products_per_second", seconds=120)
def flops(student: Student) -> Iterator[str]:
    name, n = "measure_products_per_second", MATRIX_SIZE
    a, b = torch.randn(n, n), torch.randn(n, n)
    takes_size = bool(inspect.signature(student.get(name)).parameters)
    for _ in range(3):  # what else the machine does can slow down one of the two
        start = time.perf_counter()
        torch.mm(a, b)
        expected = n**3 / (time.perf_counter() - start)
        speed = student.call(name, n) if takes_size else student.call(name)
        if isinstance(speed, torch.Tensor) and speed.numel() == 1:
            speed = speed.item()
        if not isinstance(speed, int | float) or 1 / WITHIN < speed / expected < WITHIN:
            break
    if not isinstance(speed, int | float):
        yield f"{name}: gives {describe(speed)}, expected one number: products a second"
    elif speed == n**3:
        yield f"{name}: gives n^3, which is to be divided by the seconds that the product took"
    elif not 1 / WITHIN < speed / expected < WITHIN:
        yield f"{name}: gives {speed:.2g} a second, a product of two matrices of this size does {expected:.2g} here"


class Operations(TorchFunctionMode):
    """Counts the operations on tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        self.count += function not in (torch.Tensor.tolist, torch.Tensor.numpy) or 1_000_000  # loops over numbers
        return function(*arguments, **(named or {}))


@check("mul_row")
def with_loops(student: Student) -> Iterator[str]:
    yield from rows("mul_row", student)
    if not student.has_loop("mul_row"):
        yield "mul_row: has no loop: here every element is multiplied on its own"
        return
    with Operations() as operations:
        student.call("mul_row", torch.full((30, 40), 2.0))
    if operations.count < 30 * 40:
        yield "mul_row: works on whole rows or slices: here every element is multiplied on its own"


@check("mul_row_fast")
def without_loops(student: Student) -> Iterator[str]:
    if loop := student.find_loop("mul_row_fast"):
        yield f"mul_row_fast: {loop} is a loop: let operations on the whole tensor do it"
    yield from rows("mul_row_fast", student)


def rows(name: str, student: Student) -> Iterator[str]:
    """Check what both ways must do."""
    m = torch.full((4, 8), 2.0)
    with student.intact(name, m=m):
        value = student.tensor(name, student.call(name, m), (4, 8))
    if value.data_ptr() == m.data_ptr():
        yield f"{name}: returns its argument: it should return a new matrix"
        return
    expected = m * torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    wrong = (value != expected).any(1).nonzero().flatten().tolist()
    if wrong:
        row, first = wrong[0], value[wrong[0], 0].item()
        yield f"{name}: of a 4 x 8 matrix of 2, row {row} should be {2 * row + 2}, it begins with {first:g}"
        return
    if line := judge_shape(name, student, 7, 3):
        yield line
        return
    for nb_rows, nb_columns in ((1, 5), (6, 1)):
        try:
            line = judge_shape(name, student, nb_rows, nb_columns)
        except Complaint as complaint:
            line = f"{name}: a {nb_rows} x {nb_columns} matrix: {complaint.reason}"
        if line:
            yield Note(f"{line}; the practical's own matrix has 1000 x 400, so there it is right")
            return


def judge_shape(name: str, student: Student, nb_rows: int, nb_columns: int) -> str:
    """Return what is wrong for a matrix of this shape; "" when nothing is."""
    m = torch.randn(nb_rows, nb_columns)
    value = student.tensor(name, student.call(name, m), (nb_rows, nb_columns))
    if torch.allclose(value.double(), m.double() * torch.arange(1.0, nb_rows + 1)[:, None], atol=1e-5):
        return ""
    return f"{name}: wrong for a {nb_rows} x {nb_columns} matrix of random numbers"


@check("mul_row_fast", "mul_row", seconds=120)
def speed(student: Student) -> Iterator[str]:
    if "mul_row" in student.faulty:
        return
    m = torch.randn(SPEED_ROWS, 400)
    fast = student.measure("mul_row_fast", m, times=20)
    slow = student.measure("mul_row", m[: SPEED_ROWS // 4], times=3) * 4
    if slow < LEAST_FACTOR * fast:
        yield (
            f"mul_row_fast: only {slow / fast:.0f} times as fast as mul_row with {SPEED_ROWS} x 400 elements,"
            " expected a hundred times"
        )
