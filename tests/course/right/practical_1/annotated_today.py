import time

import torch


def make_grid(size=13):
    m = torch.full((size, size), 1.0)
    m[1::5, :], m[:, 1::5] = 2, 2
    m[3:5, 3:5], m[3:5, 8:10], m[8:10, 3:5], m[8:10, 8:10] = 3, 3, 3, 3
    return m


def compute_eigenvalues(n=20):
    m = torch.randn((n, n), dtype=torch.float64)
    d = torch.arange(1, n + 1, dtype=torch.float64)
    return torch.linalg.eigvals(torch.linalg.inv(m) @ (d[:, None] * m)).real.sort(descending=True).values


def measure_products_per_second(n=5000):
    a, b = torch.rand(n, n), torch.rand(n, n)
    start = time.perf_counter()
    a @ b
    return torch.tensor(n**3 / (time.perf_counter() - start))


def mul_row(m):
    result = m.new(m.size())
    for i in range(0, m.size(0)):
        for j in range(0, m.size(1)):
            result[i][j] = (i + 1) * m[i][j]
    return result


def mul_row_fast(m: torch.Tensor) -> torch.Tensor:
    return m * torch.arange(1, m.shape[0] + 1)[:, None]
