"""One sample after the other, as vectors; parameters as a list of tensors, gradients as another."""

import torch


class Linear:
    def __init__(self, inputs, outputs):
        self.w, self.b = torch.empty(outputs, inputs).normal_(0, 0.5), torch.empty(outputs).zero_()
        self.zero_grad()

    def zero_grad(self):
        self.dw, self.db = torch.zeros(self.w.shape), torch.zeros(self.b.shape)

    def forward(self, x):
        self.x = x
        return self.w.mv(x) + self.b

    def backward(self, g):
        self.dw += g.view(-1, 1).mm(self.x.view(1, -1))
        self.db += g
        return self.w.t().mv(g)

    def param(self):
        return [self.w, self.b]

    def grad(self):
        return [self.dw, self.db]


class Tanh:
    def forward(self, x):
        self.y = x.tanh()
        return self.y

    def backward(self, g):
        return g * (1 - self.y * self.y)


class LossMSE:
    def forward(self, v, t):
        self.d = v - t
        return self.d.pow(2).sum()

    def backward(self):
        return 2 * self.d


def train(x, target):
    layers, loss, losses = [Linear(2, 25), Tanh(), Linear(25, 2)], LossMSE(), []
    for _ in range(15):
        total = 0.0
        linear = [layer for layer in layers if isinstance(layer, Linear)]
        for layer in linear:
            layer.zero_grad()
        for sample, aim in zip(x, target, strict=True):
            for layer in layers:
                sample = layer.forward(sample)
            total += loss.forward(sample, aim).item()
            g = loss.backward()
            for layer in reversed(layers):
                g = layer.backward(g)
        losses.append(total)
        for layer in linear:
            for p, d in zip(layer.param(), layer.grad(), strict=True):
                p -= 0.002 * d
    return losses
