"""Parameters and gradients in dictionaries, and modules that update themselves."""

import math

import torch


class Dense:
    def __init__(self, in_features, out_features, bias=True):
        self.params = {"W": torch.randn(out_features, in_features) / math.sqrt(in_features)}
        if bias:
            self.params["b"] = torch.zeros(out_features)
        self.grads = {}

    def forward(self, x):
        self.cache = x
        return x @ self.params["W"].T + self.params["b"]

    def backward(self, dout):
        self.grads["W"] = dout.T @ self.cache
        self.grads["b"] = dout.sum(dim=0)
        return dout @ self.params["W"]

    def update(self, lr):
        for name in self.params:
            self.params[name] -= lr * self.grads[name]


class Sigmoid:
    def forward(self, x):
        self.cache = 1 / (1 + torch.exp(-x))
        return self.cache

    def backward(self, dout):
        return dout * self.cache * (1 - self.cache)

    def update(self, lr):
        pass


class Network:
    def __init__(self, *layers):
        self.layers = list(layers)

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout

    def update(self, lr):
        for layer in self.layers:
            layer.update(lr)


class Lossmse:
    def forward(self, y_true, y_hat):
        return ((y_hat - y_true) ** 2).mean()

    def backward(self, y_true, y_hat):
        return 2 * (y_hat - y_true) / y_true.numel()


def train(x, target):
    model, loss, losses = Network(Dense(2, 25), Sigmoid(), Dense(25, 2)), Lossmse(), []
    for _ in range(40):
        output = model.forward(x)
        losses.append(loss.forward(target, output).item())
        model.backward(loss.backward(target, output))
        model.update(lr=0.3)
    return losses
