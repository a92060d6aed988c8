"""A batch in columns (features x samples), gradients averaged in the layer, a loss that returns a number for each."""

import torch


class Linear:
    def __init__(self, nb_inputs, nb_outputs):
        self.weight = torch.randn(nb_outputs, nb_inputs) / nb_inputs**0.5
        self.bias = torch.zeros(nb_outputs, 1)

    def forward(self, x):
        self.x = x
        return self.weight @ x + self.bias

    def backward(self, grad):
        self.d_weight = grad @ self.x.t() / self.x.shape[1]
        self.d_bias = grad.mean(1, keepdim=True)
        return self.weight.t() @ grad

    def step(self, lr):
        self.weight = self.weight - lr * self.d_weight
        self.bias = self.bias - lr * self.d_bias


class Tanh:
    def forward(self, x):
        self.x = x
        return torch.tanh(x)

    def backward(self, grad):
        return grad / torch.cosh(self.x).pow(2)

    def step(self, lr):
        pass


class LossMSE:
    def forward(self, output, target):
        return (output - target).pow(2).sum(0)

    def backward(self, output, target):
        return 2 * (output - target)


def train(x, target):
    layers, loss, losses = [Linear(2, 25), Tanh(), Linear(25, 2)], LossMSE(), []
    for _ in range(40):
        h = x.t()
        for layer in layers:
            h = layer.forward(h)
        losses.append(loss.forward(h, target.t()).mean().item())
        grad = loss.backward(h, target.t())
        for layer in reversed(layers):
            grad = layer.backward(grad)
        for layer in layers:
            layer.step(0.1)
    return losses
