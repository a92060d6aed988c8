"""Modules for pictures that know their own derivatives: tensors only, no torch.nn but `unfold` and `fold`, no autograd.

A batch is N x C x H x W. `backward` takes the derivative of the loss with respect to the module's output, adds the
derivatives with respect to its parameters to their gradients, and returns the one with respect to its input.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import fold, unfold

Parameter = tuple[Tensor, Tensor]
"""A tensor that is learned, and its gradient."""


class Module:
    """What every part of a network can do."""

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def backward(self, gradient: Tensor) -> Tensor:
        raise NotImplementedError

    def param(self) -> list[Parameter]:
        return []


class Conv2d(Module):
    """A convolution as one matrix product for each place: `unfold` lays the places' patches side by side."""

    def __init__(self, nb_inputs: int, nb_outputs: int, kernel_size: int = 3, stride: int = 1) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, kernel_size // 2
        nb = nb_inputs * kernel_size**2
        self.weight = torch.empty(nb_outputs, nb).normal_(0, math.sqrt(2 / nb))
        self.bias = torch.zeros(nb_outputs, 1)
        self.weight_gradient, self.bias_gradient = torch.zeros_like(self.weight), torch.zeros_like(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        self.size = x.shape[2:]
        self.patches = unfold(x, self.kernel_size, padding=self.padding, stride=self.stride)  # N x CKK x places
        height, width = ((side + 2 * self.padding - self.kernel_size) // self.stride + 1 for side in self.size)
        return (self.weight @ self.patches + self.bias).reshape(len(x), -1, height, width)

    def backward(self, gradient: Tensor) -> Tensor:
        places = gradient.flatten(2)
        self.weight_gradient += (places @ self.patches.transpose(1, 2)).sum(0)
        self.bias_gradient += places.sum((0, 2)).view(-1, 1)
        back = self.weight.t() @ places
        return fold(back, self.size, self.kernel_size, padding=self.padding, stride=self.stride)

    def param(self) -> list[Parameter]:
        return [(self.weight, self.weight_gradient), (self.bias, self.bias_gradient)]


class Upsample(Module):
    """Each pixel becomes four; backward, their derivatives add up."""

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    def backward(self, gradient: Tensor) -> Tensor:
        nb, channels, height, width = gradient.shape
        return gradient.reshape(nb, channels, height // 2, 2, width // 2, 2).sum((3, 5))


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Tensor) -> Tensor:
        self.positive = x > 0
        return x * self.positive

    def backward(self, gradient: Tensor) -> Tensor:
        return gradient * self.positive


class Sigmoid(Module):
    """1 / (1 + exp(-x)), whose derivative is y (1 - y)."""

    def forward(self, x: Tensor) -> Tensor:
        self.output = torch.sigmoid(x)
        return self.output

    def backward(self, gradient: Tensor) -> Tensor:
        return gradient * self.output * (1 - self.output)


class Sequential(Module):
    """Modules one after the other."""

    def __init__(self, *modules: Module) -> None:
        self.modules = modules

    def forward(self, x: Tensor) -> Tensor:
        for module in self.modules:
            x = module.forward(x)
        return x

    def backward(self, gradient: Tensor) -> Tensor:
        for module in reversed(self.modules):
            gradient = module.backward(gradient)
        return gradient

    def param(self) -> list[Parameter]:
        return [pair for module in self.modules for pair in module.param()]


class LossMSE:
    """The mean over all elements of (output - target)^2."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        self.difference = output - target
        return (self.difference**2).mean()

    def backward(self) -> Tensor:
        return 2 * self.difference / self.difference.numel()


class SGD:
    """Gradient descent with momentum; `zero_grad` sets the gradients back."""

    def __init__(self, parameters: list[Parameter], lr: float, momentum: float = 0.9) -> None:
        self.parameters, self.lr, self.momentum = parameters, lr, momentum
        self.speeds = [torch.zeros_like(parameter) for parameter, _ in parameters]

    def step(self) -> None:
        for (parameter, gradient), speed in zip(self.parameters, self.speeds, strict=True):
            speed.mul_(self.momentum).add_(gradient)
            parameter -= self.lr * speed

    def zero_grad(self) -> None:
        for _, gradient in self.parameters:
            gradient.zero_()
