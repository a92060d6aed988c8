"""Your mini framework: modules that know their own derivatives. Tensors only: no torch.nn, no autograd.

The statement is in statement.ipynb; `course-submit .` in this folder checks every class against it.
"""

from torch import Tensor

Parameter = tuple[Tensor, Tensor]
"""A tensor that is learned, and its gradient."""


class Module:
    """What every part of a network can do."""

    def forward(self, *input: Tensor) -> Tensor:
        """The output, for a batch N x D."""
        raise NotImplementedError

    def backward(self, *gradwrtoutput: Tensor) -> Tensor:
        """From the derivative of the loss with respect to the output: the one with respect to the input."""
        raise NotImplementedError

    def param(self) -> list[Parameter]:
        """The pairs (parameter, gradient); a module without parameters has none."""
        return []


class Linear(Module):
    def __init__(self, nb_inputs: int, nb_outputs: int) -> None:
        raise NotImplementedError("Linear")


class ReLU(Module):
    def forward(self, *input: Tensor) -> Tensor:
        raise NotImplementedError("ReLU")


class Tanh(Module):
    def forward(self, *input: Tensor) -> Tensor:
        raise NotImplementedError("Tanh")


class Sequential(Module):
    def __init__(self, *modules: Module) -> None:
        raise NotImplementedError("Sequential")


class LossMSE(Module):
    """`forward(output, target)` is the loss; `backward()` its derivative with respect to the output."""

    def forward(self, *input: Tensor) -> Tensor:
        raise NotImplementedError("LossMSE")


class SGD:
    """`step()` makes one step of gradient descent on pairs (parameter, gradient)."""

    def __init__(self, parameters: list[Parameter], lr: float) -> None:
        raise NotImplementedError("SGD")
