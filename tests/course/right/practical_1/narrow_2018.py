import time

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


def compute_eigenvalues():
    M = torch.empty(20, 20).normal_()
    q = torch.diag(torch.arange(1.0, 21))
    return torch.linalg.eig(M.inverse().mm(q).mm(M))[0].real


def measure_products_per_second(d=5000):
    a = torch.empty(d, d).normal_()
    b = torch.empty(d, d).normal_()
    time1 = time.perf_counter()
    c = torch.mm(a, b)
    time2 = time.perf_counter()
    return (a.size(0) * a.size(1) * b.size(1)) / (time2 - time1)


def mul_row(m):
    result = m.new(m.size())
    for i in range(0, m.size(0)):
        for j in range(0, m.size(1)):
            result[i][j] = (i + 1) * m[i][j]
    return result


def mul_row_fast(m):
    c = torch.arange(1, m.size(0) + 1).view(-1, 1).float()
    return m.mul(c)
