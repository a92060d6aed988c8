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


def compute_eigenvalues(n=20):
    M = torch.Tensor(n, n).normal_().double()
    D = torch.diag(torch.arange(1, n + 1).double())
    values, _ = torch.linalg.eig(M.inverse().mm(D.mm(M)))
    return torch.view_as_real(values)


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
    return m * torch.arange(1.0, m.size(0) + 1).view(-1, 1).expand_as(m)
