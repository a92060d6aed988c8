import torch


def sigma(x):
    return x.tanh()


def dsigma(x):
    return 4 * (x.exp() + x.mul(-1).exp()).pow(-2)


def loss(v, t):
    return torch.norm(t - v).pow(2)


def dloss(v, t):
    return -2 * (t - v)


def forward_pass(w1, b1, w2, b2, x):
    x0 = x
    s1 = w1.mv(x0) + b1
    x1 = sigma(s1)
    s2 = w2.mv(x1) + b2
    x2 = sigma(s2)
    return x0, s1, x1, s2, x2


def backward_pass(w1, b1, w2, b2, t, x, s1, x1, s2, x2, dl_dw1, dl_db1, dl_dw2, dl_db2):
    dl_ds2 = dsigma(s2) * dloss(x2, t)
    dl_ds1 = torch.zeros_like(s1)
    for i in range(s1.size(0)):
        for j in range(s2.size(0)):
            dl_ds1[i] += w2[j, i] * dl_ds2[j]
    dl_ds1 *= dsigma(s1)
    for j in range(s2.size(0)):
        dl_dw2[j] += dl_ds2[j] * x1
        dl_db2[j] += dl_ds2[j]
    for i in range(s1.size(0)):
        dl_dw1[i] += dl_ds1[i] * x
        dl_db1[i] += dl_ds1[i]
