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


def measure_products_per_second(d=5000):
    a = torch.empty(d, d).normal_()
    b = torch.empty(d, d).normal_()
    time1 = time.perf_counter()
    c = torch.mm(a, b)
    time2 = time.perf_counter()
    return (a.size(0) * a.size(1) * b.size(1)) / (time2 - time1)


def mul_row(m):
    r = m.clone()
    for i in range(r.size(0)):
        for j in range(r.size(1)):
            r[i, j] = r[i, j] * (i + 1)
    return r


def mul_row_fast(m):
    return torch.einsum("i,ij->ij", torch.arange(1, len(m) + 1, dtype=m.dtype), m)
