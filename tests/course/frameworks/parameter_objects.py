"""A class for parameters, parameters() as a generator, modules that are called, momentum."""

import torch


class Parameter:
    def __init__(self, value):
        self.value, self.grad = value, torch.zeros_like(value)


class Module:
    def __call__(self, *args):
        return self.forward(*args)

    def forward(self, *args):
        raise NotImplementedError

    def backward(self, grad):
        raise NotImplementedError

    def parameters(self):
        return iter(())

    def zero_grad(self):
        for p in self.parameters():
            p.grad = torch.zeros_like(p.value)


class FullyConnected(Module):
    def __init__(self, in_size, out_size):
        self.weight = Parameter(torch.empty(out_size, in_size).normal_(0, (2 / in_size) ** 0.5))
        self.bias = Parameter(torch.zeros(out_size))

    def forward(self, x):
        self.input = x
        return torch.addmm(self.bias.value, x, self.weight.value.t())

    def backward(self, grad):
        self.weight.grad += grad.t().mm(self.input)
        self.bias.grad += grad.sum(0)
        return grad.mm(self.weight.value)

    def parameters(self):
        yield self.weight
        yield self.bias


class LeakyReLU(Module):
    def __init__(self, slope=0.01):
        self.slope = slope

    def forward(self, x):
        self.factor = torch.where(x > 0, 1.0, self.slope)
        return x * self.factor

    def backward(self, grad):
        return grad * self.factor


class Softmax(Module):
    def forward(self, x):
        self.y = x.softmax(1)
        return self.y

    def backward(self, grad):
        return self.y * (grad - (grad * self.y).sum(1, keepdim=True))


class Sequential(Module):
    def __init__(self, *modules):
        self.modules = modules

    def forward(self, x):
        for module in self.modules:
            x = module(x)
        return x

    def backward(self, grad):
        for module in reversed(self.modules):
            grad = module.backward(grad)
        return grad

    def parameters(self):
        for module in self.modules:
            yield from module.parameters()


class MSE(Module):
    def forward(self, prediction, target):
        self.saved = prediction, target
        return (prediction - target).pow(2).sum() / target.shape[0]

    def backward(self, grad=1.0):
        prediction, target = self.saved
        return grad * 2 * (prediction - target) / target.shape[0]


class MomentumSGD:
    def __init__(self, parameters, lr, momentum=0.9):
        self.parameters, self.lr, self.momentum = list(parameters), lr, momentum
        self.velocities = [torch.zeros_like(p.value) for p in self.parameters]

    def step(self):
        for p, velocity in zip(self.parameters, self.velocities, strict=True):
            velocity.mul_(self.momentum).add_(p.grad)
            p.value -= self.lr * velocity


def train(x, target):
    model, loss = Sequential(FullyConnected(2, 25), LeakyReLU(), FullyConnected(25, 2), Softmax()), MSE()
    optimizer, losses = MomentumSGD(model.parameters(), 0.2), []
    for _ in range(40):
        losses.append(float(loss(model(x), target)))
        model.zero_grad()
        model.backward(loss.backward())
        optimizer.step()
    return losses
