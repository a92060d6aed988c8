"""The checks of practical 1: the solution passes, and each wrong version is told in its own line."""

import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed beside pytest: nothing of a practical can be checked here")

from checked import PRACTICALS, list_lines, read_solution, vary
from course_tools.check import practical_1

SOLUTION = read_solution(1)

FACTORS = "return m * factors.view(-1, 1)"
LOOPS = """    for i in range(m.size(0)):
        for j in range(m.size(1)):
            result[i, j] = m[i, j] * (i + 1)
"""
EIGENVALUES = "return torch.linalg.eigvals(torch.linalg.solve(m, d @ m))"
PRODUCTS = "return n**3 / seconds"

FEW_ROWS = 40
"""Of the matrix on which both ways are timed: the one with loops is tried three times, for some 40 ms each."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured takes less time, and it is the processor's: a busy machine makes no difference."""
    monkeypatch.setattr(practical_1, "MATRIX_SIZE", 400)
    monkeypatch.setattr(practical_1, "SPEED_ROWS", FEW_ROWS)
    monkeypatch.setattr("time.perf_counter", time.process_time)


def test_the_solution_passes(tmp_path: Path) -> None:
    assert list_lines(1, SOLUTION, tmp_path) == []


def test_the_skeleton_is_not_done(tmp_path: Path) -> None:
    names = ("make_grid", "compute_eigenvalues", "measure_products_per_second", "mul_row", "mul_row_fast")
    skeleton = (PRACTICALS / "practical-1/practical_1.py").read_text()
    assert list_lines(1, skeleton, tmp_path) == [f"todo {name}: not done yet" for name in names]


WRONG = {
    "one block less": (
        ("    m[8:10, 8:10] = 3.0\n", ""),
        ["make_grid: 4 of the 169 elements are wrong, the first at row 8, column 8: 1"],
    ),
    "a grid of 12": (
        ("torch.full((13, 13), 1.0)", "torch.full((12, 12), 1.0)"),
        ["make_grid: gives a 12 x 12 tensor, expected a 13 x 13 tensor"],
    ),
    "a loop over the lines": (
        ("    m[1::5, :] = 2.0\n", "    for i in (1, 6, 11):\n        m[i] = 2.0\n"),
        ["make_grid: line 13 is a loop: write through slices of the tensor"],
    ),
    "a nested list": (
        ("    return m\n", "    return m.tolist()\n"),
        ["make_grid: gives a list of 13, expected a tensor"],
    ),
    "no return": (("    return m\n", ""), ["make_grid: returns nothing: does it end with a return?"]),
    "a slip of the pen": (
        ("m = torch.full((13, 13), 1.0)", "m = torch.fill((13, 13), 1.0)"),
        ["make_grid: line 12: TypeError: fill() received an invalid combination of arguments - got (tuple, float)"],
    ),
    "one index out of range": (
        ("    m[8:10, 8:10] = 3.0\n", "    m[8:10, 8:10] = 3.0\n    m[13, 13] = 1\n"),
        ["make_grid: line 19: IndexError: index 13 is out of bounds for dimension 0 with size 13"],
    ),
    "a diagonal of integers": (
        ("torch.arange(1.0, n + 1, dtype=torch.float64)", "torch.arange(1, n + 1)"),
        [
            "compute_eigenvalues: line 29: RuntimeError: expected m1 and m2 to have the same dtype,"
            " but got: long int != double"
        ],
    ),
    "0 to 19": (
        ("torch.arange(1.0, n + 1, dtype", "torch.arange(0.0, n, dtype"),
        ["compute_eigenvalues: not 1, 2, ..., 20 but up to 1 away from them"],
    ),
    "1 to 19": (
        ("torch.arange(1.0, n + 1, dtype=torch.float64)", "torch.arange(1.0, n, dtype=torch.float64)"),
        [
            "compute_eigenvalues: line 29: RuntimeError: mat1 and mat2 shapes cannot be multiplied (19x19 and 20x20)",
        ],
    ),
    "the vectors too": (
        (EIGENVALUES, "return torch.linalg.eig(torch.linalg.solve(m, d @ m))"),
        ["compute_eigenvalues: gives a linalg_eig of 2, expected a tensor"],
    ),
    "the matrix itself": (
        (EIGENVALUES, "return torch.linalg.solve(m, d @ m)"),
        ["compute_eigenvalues: gives a 20 x 20 tensor, expected a tensor of 20 elements"],
    ),
    "a comprehension of eigenvalues": (
        (EIGENVALUES, "return torch.stack([v for v in torch.linalg.eigvals(torch.linalg.solve(m, d @ m))])"),
        ["compute_eigenvalues: line 29 is a loop"],
    ),
    "no time": ((PRODUCTS, "return n**3"), None),
    "seconds": ((PRODUCTS, "return seconds"), None),
    "a string": (
        (PRODUCTS, 'return f"{n**3 / seconds:.1e}"[:3]'),
        None,
    ),
    "mul_row in place": (
        ("result = torch.empty_like(m)", "result = m"),
        ["mul_row: changes its argument m: work on a new tensor, the caller needs the old one"],
    ),
    "mul_row returns its argument": (
        (LOOPS + "    return result", LOOPS + "    return m"),
        ["mul_row: returns its argument: it should return a new matrix"],
    ),
    "mul_row from factor 0": (
        ("m[i, j] * (i + 1)", "m[i, j] * i"),
        ["mul_row: of a 4 x 8 matrix of 2, row 0 should be 2, it begins with 0"],
    ),
    "mul_row by columns": (
        ("m[i, j] * (i + 1)", "m[i, j] * (j + 1)"),
        ["mul_row: of a 4 x 8 matrix of 2, row 0 should be 2, it begins with 2"],
    ),
    "mul_row by rows": (
        (LOOPS, "    for i in range(m.size(0)):\n        result[i] = m[i] * (i + 1)\n"),
        ["mul_row: works on whole rows or slices: here every element is multiplied on its own"],
    ),
    "mul_row by slices": (
        (LOOPS, "    for i in range(m.size(0)):\n        result[i, :] = m[i, :] * (i + 1)\n"),
        ["mul_row: works on whole rows or slices: here every element is multiplied on its own"],
    ),
    "mul_row without loops": (
        ("result = torch.empty_like(m)\n" + LOOPS, "result = m * torch.arange(1.0, m.size(0) + 1).view(-1, 1)\n"),
        [
            "mul_row: has no loop: here every element is multiplied on its own",
        ],
    ),
    "mul_row misses the last column": (
        ("for j in range(m.size(1)):", "for j in range(m.size(1) - 1):"),
        None,
    ),
    "mul_row leaves the program": (
        ("result = torch.empty_like(m)", "raise SystemExit"),
        ["mul_row: line 42: ends the program: return a value instead"],
    ),
    "mul_row calls itself": (
        ("result = torch.empty_like(m)", "result = mul_row(m)"),
        ["mul_row: line 42: calls itself without end"],
    ),
    "mul_row takes a size": (
        ("def mul_row(m: Tensor) -> Tensor:", "def mul_row(m: Tensor, n: int) -> Tensor:"),
        ["mul_row: takes (m: torch.Tensor, n: int) -> torch.Tensor, but must take 1 argument"],
    ),
    "mul_row with another name": (
        ("def mul_row(m: Tensor)", "def mulrow(m: Tensor)"),
        ["mul_row: not in the file, but mulrow is: is it the same with another name?"],
    ),
    "mul_row_fast with a loop": (
        (FACTORS, "return torch.stack([m[i] * (i + 1) for i in range(m.size(0))])"),
        None,
    ),
    "mul_row_fast with a hidden loop": (
        (FACTORS, "return torch.stack(list(map(torch.mul, m, factors)))"),
        None,
    ),
    "mul_row_fast by columns": (
        (FACTORS, "return m * factors"),
        [
            "mul_row_fast: line 52: RuntimeError: The size of tensor a (8) must match the size of tensor b (4)"
            " at non-singleton dimension 1"
        ],
    ),
    "mul_row_fast in place": (
        (FACTORS, "return m.mul_(factors.view(-1, 1))"),
        ["mul_row_fast: changes its argument m: work on a new tensor, the caller needs the old one"],
    ),
    "mul_row_fast returns a matrix of factors": (
        (FACTORS, "return factors.view(-1, 1)"),
        ["mul_row_fast: gives a 4 x 1 tensor, expected a 4 x 8 tensor"],
    ),
    "mul_row_fast squares": (
        (FACTORS, "return m * m * factors.view(-1, 1) / 2"),
        ["mul_row_fast: wrong for a 7 x 3 matrix of random numbers"],
    ),
    "mul_row_fast calls the slow one": ((FACTORS, "return mul_row(m)"), None),
}

# Lines that depend on the machine: how they begin.
BEGINNINGS = {
    "no time": ["measure_products_per_second: gives n^3, which is to be divided by the seconds that the product took"],
    "seconds": ["measure_products_per_second: gives "],
    "a string": ["measure_products_per_second: gives str '"],
    "mul_row misses the last column": ["mul_row: "],
    "mul_row_fast with a loop": ["mul_row_fast: line 52 is a loop: let operations on the whole tensor do it"],
    "mul_row_fast with a hidden loop": ["mul_row_fast: line 52 is a loop: let operations on the whole tensor do it"],
    "mul_row_fast calls the slow one": [
        "mul_row_fast: line 43 is a loop: let operations on the whole tensor do it",
        f"mul_row_fast: only 1 times as fast as mul_row with {FEW_ROWS} x 400 elements, expected a hundred times",
    ],
}


@pytest.mark.parametrize("title", WRONG)
def test_what_is_wrong_is_told(tmp_path: Path, title: str) -> None:
    change, expected = WRONG[title]
    lines = list_lines(1, vary(SOLUTION, change), tmp_path)
    if expected is not None:
        assert lines == [f"wrong {line}" for line in expected]
        return
    beginnings = BEGINNINGS[title]
    # A way with a loop may be fast enough, or not.
    assert len(beginnings) <= len(lines) <= len(beginnings) + ("loop" in title)
    for line, beginning in zip(lines, beginnings, strict=False):
        assert line.startswith(f"wrong {beginning}")


RIGHT = {
    "integers": ("torch.full((13, 13), 1.0)", "torch.full((13, 13), 1)"),
    "narrow and fill_": ("    m[3:5, 3:5] = 3.0\n", "    m.narrow(0, 3, 2).narrow(1, 3, 2).fill_(3.0)\n"),
    "float32": ("dtype=torch.float64)\n    d = torch.diag(torch.arange(1.0, n + 1, dtype=torch.float64))",
                "dtype=torch.float32)\n    d = torch.diag(torch.arange(1.0, n + 1))"),
    "real parts only": (EIGENVALUES, EIGENVALUES + ".real"),
    "pairs of real and imaginary parts": (EIGENVALUES, "return torch.view_as_real(torch.linalg.eigvals("
                                          "torch.linalg.solve(m, d @ m)))"),
    "a speed without a size": ("def measure_products_per_second(n: int = 5000, device: str = \"cpu\") -> float:",
                               "def measure_products_per_second():\n    n, device = 1000, \"cpu\""),
    "loops over numbers": (LOOPS, "    rows = m.tolist()\n    for i, row in enumerate(rows):\n"
                           "        for j, value in enumerate(row):\n            rows[i][j] = value * (i + 1)\n"
                           "    result = torch.tensor(rows)\n"),
    "one loop over all elements": (LOOPS, "    for k in range(m.numel()):\n        i, j = divmod(k, m.size(1))\n"
                                   "        result[i][j] = m[i][j] * (i + 1)\n"),
    "integer factors": ("torch.arange(1, m.size(0) + 1, dtype=m.dtype, device=m.device)",
                        "torch.arange(1, m.size(0) + 1)"),
    "a product with a diagonal": (FACTORS, "return torch.diag(factors) @ m"),
}  # fmt: skip


@pytest.mark.parametrize("title", RIGHT)
def test_other_ways_are_right_too(tmp_path: Path, title: str) -> None:
    assert list_lines(1, vary(SOLUTION, RIGHT[title]), tmp_path) == []
