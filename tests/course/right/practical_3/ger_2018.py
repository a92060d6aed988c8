import torch


def sigma(x):
    return torch.tanh(x)


def dsigma(x):
    return torch.cosh(x) ** -2


def loss(v, t):
    return (v - t).pow(2).sum()


def dloss(v, t):
    return 2 * (v - t)


def forward_pass(w1, b1, w2, b2, x):
    s1 = w1.mm(x.view(-1, 1)).view(-1).add(b1)
    x1 = sigma(s1)
    s2 = w2.mm(x1.view(-1, 1)).squeeze(1) + b2
    return (x, s1, x1, s2, sigma(s2))


def backward_pass(w1, b1, w2, b2, t, x, s1, x1, s2, x2, dl_dw1, dl_db1, dl_dw2, dl_db2):
    delta2 = dloss(x2, t) * dsigma(s2)
    delta1 = dsigma(s1) * w2.t().matmul(delta2)
    dl_dw2 += torch.ger(delta2, x1)
    dl_db2 += delta2
    dl_dw1 += torch.ger(delta1, x)
    dl_db1 += delta1
