import time

import torch


def make_grid():
    lines = torch.zeros(13, dtype=torch.bool)
    lines[1::5] = True
    blocks = torch.zeros(13, dtype=torch.bool)
    blocks[[3, 4, 8, 9]] = True
    grid = torch.where(lines[:, None] | lines[None], 2, 1)
    return torch.where(blocks[:, None] & blocks[None], 3, grid)


def compute_eigenvalues(n: int = 20) -> torch.Tensor:
    m = torch.randn(n, n, dtype=torch.double)
    return torch.linalg.eigvals(torch.linalg.solve(m, torch.diag(torch.arange(1, n + 1)).double() @ m))


def measure_products_per_second():
    n = 500
    a, b = torch.randn(2, n, n).unbind()
    start = time.perf_counter()
    torch.matmul(a, b)
    elapsed = time.perf_counter() - start
    return n * n * n / elapsed


def mul_row(m):
    out, i = torch.zeros_like(m), 0
    while i < m.shape[0]:
        for j, value in enumerate(m[i]):
            out[i, j] = value * (i + 1)
        i += 1
    return out


def mul_row_fast(m: torch.Tensor) -> torch.Tensor:
    return m * torch.arange(1, m.shape[0] + 1)[:, None]
