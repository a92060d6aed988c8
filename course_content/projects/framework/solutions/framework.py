"""A mini framework of deep learning: modules that know their own derivatives. Tensors only, no autograd.

A batch is N x D. `forward` computes the output and remembers what `backward` needs; `backward` takes the derivative of
the loss with respect to the module's output, adds the derivatives with respect to its parameters to their gradients,
and returns the one with respect to its input.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

Parameter = tuple[Tensor, Tensor]
"""A tensor that is learned, and its gradient."""


class Module:
    """What every part of a network can do."""

    def forward(self, *input: Tensor) -> Tensor:
        raise NotImplementedError

    def backward(self, *gradwrtoutput: Tensor) -> Tensor:
        raise NotImplementedError

    def param(self) -> list[Parameter]:
        """The parameters with their gradients; none unless a module says otherwise."""
        return []

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for _, gradient in self.param():
            gradient.zero_()


class Linear(Module):
    """x W^T + b, with W of size outputs x inputs, drawn so that the output's scale is the input's (Xavier)."""

    def __init__(self, nb_inputs: int, nb_outputs: int) -> None:
        std = math.sqrt(2.0 / (nb_inputs + nb_outputs))
        self.weight = torch.empty(nb_outputs, nb_inputs).normal_(0, std)
        self.bias = torch.empty(nb_outputs).zero_()
        self.weight_gradient = torch.empty(nb_outputs, nb_inputs).zero_()
        self.bias_gradient = torch.empty(nb_outputs).zero_()

    def forward(self, *input: Tensor) -> Tensor:
        (self.input,) = input
        return self.input @ self.weight.t() + self.bias

    def backward(self, *gradwrtoutput: Tensor) -> Tensor:
        (gradient,) = gradwrtoutput
        self.weight_gradient += gradient.t() @ self.input
        self.bias_gradient += gradient.sum(0)
        return gradient @ self.weight

    def param(self) -> list[Parameter]:
        return [(self.weight, self.weight_gradient), (self.bias, self.bias_gradient)]


class ReLU(Module):
    """max(x, 0), whose derivative at 0 is taken to be 0."""

    def forward(self, *input: Tensor) -> Tensor:
        (self.input,) = input
        return self.input.clamp(min=0)

    def backward(self, *gradwrtoutput: Tensor) -> Tensor:
        (gradient,) = gradwrtoutput
        return gradient * (self.input > 0)


class Tanh(Module):
    """tanh(x), whose derivative is 1 - tanh(x)^2."""

    def forward(self, *input: Tensor) -> Tensor:
        (x,) = input
        self.output = x.tanh()
        return self.output

    def backward(self, *gradwrtoutput: Tensor) -> Tensor:
        (gradient,) = gradwrtoutput
        return gradient * (1 - self.output**2)


class Sequential(Module):
    """Modules one after the other."""

    def __init__(self, *modules: Module) -> None:
        self.modules = modules

    def forward(self, *input: Tensor) -> Tensor:
        (x,) = input
        for module in self.modules:
            x = module.forward(x)
        return x

    def backward(self, *gradwrtoutput: Tensor) -> Tensor:
        (gradient,) = gradwrtoutput
        for module in reversed(self.modules):
            gradient = module.backward(gradient)
        return gradient

    def param(self) -> list[Parameter]:
        return [pair for module in self.modules for pair in module.param()]


class LossMSE(Module):
    """The mean over all elements of (output - target)^2."""

    def forward(self, *input: Tensor) -> Tensor:
        output, target = input
        self.difference = output - target
        return (self.difference**2).mean()

    def backward(self, *gradwrtoutput: Tensor) -> Tensor:
        """The derivative with respect to the output; it begins the chain, and needs nothing from outside."""
        return 2 * self.difference / self.difference.numel()


class SGD:
    """Gradient descent on the parameters of a module: p - lr * gradient."""

    def __init__(self, parameters: Iterable[Parameter], lr: float) -> None:
        self.parameters, self.lr = list(parameters), lr

    def step(self) -> None:
        for parameter, gradient in self.parameters:
            parameter -= self.lr * gradient
