"""Modules that register their parameters in a base class, batch normalization, an optimizer that gets all modules."""

import torch


class Module:
    def __init__(self):
        self._parameters = {}

    def register(self, name, tensor):
        self._parameters[name] = {"value": tensor, "grad": torch.zeros_like(tensor)}

    def __getitem__(self, name):
        return self._parameters[name]["value"]

    def accumulate(self, name, grad):
        self._parameters[name]["grad"] += grad

    def get_params(self):
        return list(self._parameters.values())

    def reset_grad(self):
        for entry in self._parameters.values():
            entry["grad"].zero_()


class Affine(Module):
    def __init__(self, fan_in, fan_out, activation="tanh"):
        super().__init__()
        self.register("weight", torch.randn(fan_in, fan_out) / fan_in**0.5)
        self.register("bias", torch.zeros(fan_out))

    def forward(self, x):
        self.x = x
        return x @ self["weight"] + self["bias"]

    def backward(self, g):
        self.accumulate("weight", self.x.t() @ g)
        self.accumulate("bias", g.sum(0))
        return g @ self["weight"].t()


class BatchNorm(Module):
    def __init__(self, size, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.register("gamma", torch.ones(size))
        self.register("beta", torch.zeros(size))

    def forward(self, x):
        self.std = (x.var(0, unbiased=False) + self.eps).sqrt()
        self.z = (x - x.mean(0)) / self.std
        return self["gamma"] * self.z + self["beta"]

    def backward(self, g):
        self.accumulate("gamma", (g * self.z).sum(0))
        self.accumulate("beta", g.sum(0))
        g = g * self["gamma"]
        return (g - g.mean(0) - self.z * (g * self.z).mean(0)) / self.std


class ELU(Module):
    def forward(self, x):
        self.y = torch.where(x > 0, x, x.exp() - 1)
        return self.y

    def backward(self, g):
        return g * torch.where(self.y > 0, torch.ones_like(g), self.y + 1)


class MSE(Module):
    def forward(self, output, target):
        self.diff = output - target
        return 0.5 * (self.diff**2).mean()

    def backward(self):
        return self.diff / self.diff.numel()


class GradientDescent:
    def __init__(self, learning_rate, modules):
        self.learning_rate, self.modules = learning_rate, modules

    def update(self):
        for module in self.modules:
            for entry in module.get_params():
                entry["value"] -= self.learning_rate * entry["grad"]


def train(x, target):
    layers, loss, losses = [Affine(2, 25), BatchNorm(25), ELU(), Affine(25, 2)], MSE(), []
    optimizer = GradientDescent(0.2, layers)
    for _ in range(40):
        h = x
        for layer in layers:
            layer.reset_grad()
            h = layer.forward(h)
        losses.append(loss.forward(h, target).item())
        g = loss.backward()
        for layer in reversed(layers):
            g = layer.backward(g)
        optimizer.update()
    return losses
