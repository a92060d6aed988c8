import time

import torch


def make_grid():
    m = torch.Tensor(13, 13).fill_(1)
    m[1::5].fill_(2)
    m.t()[1::5].fill_(2)
    m.narrow(0, 3, 2).narrow(1, 3, 2).fill_(3)
    m.narrow(0, 8, 2).narrow(1, 3, 2).fill_(3)
    m.narrow(0, 3, 2).narrow(1, 8, 2).fill_(3)
    m.narrow(0, 8, 2).narrow(1, 8, 2).fill_(3)
    return m


def compute_eigenvalues():
    M = torch.empty(20, 20).normal_()
    q = torch.diag(torch.arange(1.0, 21))
    return torch.linalg.eig(M.inverse().mm(q).mm(M))[0].real


def measure_products_per_second():
    n = 500
    a, b = torch.randn(2, n, n).unbind()
    start = time.perf_counter()
    torch.matmul(a, b)
    elapsed = time.perf_counter() - start
    return n * n * n / elapsed


def mul_row(m):
    r = m.clone()
    for i in range(r.size(0)):
        for j in range(r.size(1)):
            r[i, j] = r[i, j] * (i + 1)
    return r


def mul_row_fast(m):
    factors = torch.ones_like(m).cumsum(dim=0)
    return m.clone().mul_(factors)
