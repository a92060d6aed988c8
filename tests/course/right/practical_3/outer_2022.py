import torch
import torch.nn.functional as F


def sigma(x):
    return torch.tanh(x)


def dsigma(x):
    return torch.cosh(x) ** -2


def loss(v, t):
    return F.mse_loss(v, t, reduction="sum")


def dloss(v, t):
    return (v - t) + (v - t)


def forward_pass(w1, b1, w2, b2, x):
    s1 = w1 @ x + b1
    x1 = sigma(s1)
    s2 = w2 @ x1 + b2
    return [x, s1, x1, s2, sigma(s2)]


def backward_pass(w1, b1, w2, b2, t, x, s1, x1, s2, x2, dl_dw1, dl_db1, dl_dw2, dl_db2):
    dl_ds2 = dloss(x2, t) * (1 - x2**2)
    dl_ds1 = (dl_ds2 @ w2) * (1 - x1**2)
    dl_dw2.add_(torch.outer(dl_ds2, x1))
    dl_dw1.add_(torch.outer(dl_ds1, x))
    dl_db2.add_(dl_ds2)
    dl_db1.add_(dl_ds1)
