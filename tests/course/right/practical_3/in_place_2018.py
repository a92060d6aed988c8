import torch


def sigma(x):
    result = x.clone()
    result.tanh_()
    return result


def dsigma(x):
    y = sigma(x)
    return torch.ones_like(y).sub_(y * y)


def loss(v, t):
    d = v - t
    return d.dot(d)


def dloss(v, t):
    return (v - t).mul(2)


def forward_pass(w1, b1, w2, b2, x):
    s1 = torch.addmv(b1, w1, x)
    x1 = sigma(s1)
    s2 = torch.addmv(b2, w2, x1)
    return x, s1, x1, s2, sigma(s2)


def backward_pass(w1, b1, w2, b2, t, x, s1, x1, s2, x2, dl_dw1, dl_db1, dl_dw2, dl_db2):
    dl_ds2 = torch.mul(dsigma(s2), dloss(x2, t))
    dl_ds1 = torch.mul(dsigma(s1), torch.mv(w2.t(), dl_ds2))
    dl_dw2.addr_(dl_ds2, x1)
    dl_dw1.addr_(dl_ds1, x)
    dl_db2.data.add_(dl_ds2)
    dl_db1.data.add_(dl_ds1)
