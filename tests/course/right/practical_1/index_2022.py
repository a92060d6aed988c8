import time

import torch


def make_grid():
    m = torch.ones((13, 13), dtype=torch.int64)
    lines = torch.tensor([1, 6, 11])
    m[lines] = 2
    m[:, lines] = 2
    blocks = torch.tensor([3, 4, 8, 9])
    m[blocks[:, None], blocks] = 3
    return m


def compute_eigenvalues(n: int = 20) -> torch.Tensor:
    m = torch.randn(n, n, dtype=torch.double)
    return torch.linalg.eigvals(torch.linalg.solve(m, torch.diag(torch.arange(1, n + 1)).double() @ m))


def measure_products_per_second(n=5000):
    a, b = torch.rand(n, n), torch.rand(n, n)
    start = time.perf_counter()
    a @ b
    return torch.tensor(n**3 / (time.perf_counter() - start))


def mul_row(m):
    out, i = torch.zeros_like(m), 0
    while i < m.shape[0]:
        for j, value in enumerate(m[i]):
            out[i, j] = value * (i + 1)
        i += 1
    return out


def mul_row_fast(m):
    return torch.diag(torch.arange(1, m.size(0) + 1).to(m)).mm(m)
