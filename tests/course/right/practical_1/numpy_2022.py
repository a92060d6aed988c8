import time

import numpy as np
import torch


def make_grid():
    m = torch.ones(13, 13)
    m.narrow(0, 1, 1).fill_(2)
    m.narrow(0, 6, 1).fill_(2)
    m.narrow(0, 11, 1).fill_(2)
    m.narrow(1, 1, 1).fill_(2)
    m.narrow(1, 6, 1).fill_(2)
    m.narrow(1, 11, 1).fill_(2)
    m.narrow(0, 3, 2).narrow(1, 3, 2).fill_(3)
    m.narrow(0, 8, 2).narrow(1, 3, 2).fill_(3)
    m.narrow(0, 3, 2).narrow(1, 8, 2).fill_(3)
    m.narrow(0, 8, 2).narrow(1, 8, 2).fill_(3)
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
    a = m.numpy().copy()
    for (i, j), value in np.ndenumerate(a):
        a[i, j] = value * (i + 1)
    return torch.from_numpy(a)


def mul_row_fast(m):
    return (m.t() * torch.linspace(1, m.size(0), m.size(0))).t()
