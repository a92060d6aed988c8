"""Practical 1, tensors: reference solution."""

import time
from collections.abc import Callable

import torch
from torch import Tensor


def make_grid() -> Tensor:
    """The 13 x 13 matrix: 1, lines of 2 at indices 1, 6 and 11, four 2 x 2 blocks of 3 between them."""
    m = torch.full((13, 13), 1.0)
    m[1::5, :] = 2.0
    m[:, 1::5] = 2.0
    m[3:5, 3:5] = 3.0
    m[3:5, 8:10] = 3.0
    m[8:10, 3:5] = 3.0
    m[8:10, 8:10] = 3.0
    return m


def compute_eigenvalues(n: int = 20) -> Tensor:
    """The eigenvalues (n, complex) of M^-1 diag(1, ..., n) M: 1, ..., n whatever M is, in some order.

    float64, because a random M can be so close to singular that float32 is right to three digits only.
    """
    m = torch.randn(n, n, dtype=torch.float64)
    d = torch.diag(torch.arange(1.0, n + 1, dtype=torch.float64))
    return torch.linalg.eigvals(torch.linalg.solve(m, d @ m))


def measure_products_per_second(n: int = 5000, device: str = "cpu") -> float:
    """n^3 products over the seconds that the product of two n x n matrices takes on `device`."""
    a, b = torch.randn(n, n, device=device), torch.randn(n, n, device=device)
    (a[:64] @ b).sum().item()  # what the first product alone has to set up is not what we measure
    seconds = measure_seconds(lambda: torch.mm(a, b), device)
    return n**3 / seconds


def mul_row(m: Tensor) -> Tensor:
    """A copy of `m` with row i multiplied by i + 1, element by element."""
    result = torch.empty_like(m)
    for i in range(m.size(0)):
        for j in range(m.size(1)):
            result[i, j] = m[i, j] * (i + 1)
    return result


def mul_row_fast(m: Tensor) -> Tensor:
    """The same: a column of factors, which broadcasting repeats along the rows."""
    factors = torch.arange(1, m.size(0) + 1, dtype=m.dtype, device=m.device)
    return m * factors.view(-1, 1)


def measure_seconds(act: Callable[[], object], device: str = "cpu") -> float:
    """Seconds that `act` takes; a GPU works on its own, so it is waited for on both sides."""
    if device != "cpu":
        torch.cuda.synchronize()
    start = time.perf_counter()
    act()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    """Do the four exercises and print their results."""
    from course_tools import report

    options = report.parse(__doc__)
    torch.manual_seed(options.seed)

    grid = make_grid()
    print("1. multiple views of a storage\n", grid.int())

    values = compute_eigenvalues()
    ordered = values.real.sort().values
    deviation = (ordered - torch.arange(1.0, 21.0)).abs().max().item()
    print(f"2. eigenvalues from {ordered[0]:.6f} to {ordered[-1]:.6f}, at most {deviation:.1e} from 1, ..., 20")

    speed = measure_products_per_second(500 if options.tiny else 5000, options.device)
    print(f"3. {speed:.2e} products a second on {options.device}")

    # On the CPU: a GPU would spend most of the loops' time on the way to it.
    m = torch.full((100, 40) if options.tiny else (1000, 400), 2.0)
    fast = min(measure_seconds(lambda: mul_row_fast(m)) for _ in range(5))
    slow = measure_seconds(lambda: mul_row(m))
    print(f"4. {slow:.3f} s with loops, {fast:.6f} s without: a factor of {slow / fast:.0f}")

    report.write(
        options,
        practical=1,
        grid_sum=grid.sum().item(),
        eigenvalue_deviation=deviation,
        products_per_second=speed,
        seconds_mul_row=slow,
        seconds_mul_row_fast=fast,
        speed_up=slow / fast,
    )


if __name__ == "__main__":
    main()
