"""Practical 3, multi-layer perceptron: reference solution.

One more option: --batched passes all samples at once instead of one after the other, the same sums in seconds and not
in minutes.
"""

import argparse

import torch
from torch import Tensor

ZETA = 0.9  # the targets stay inside the range of tanh
EPSILON = 1e-6  # standard deviation of the initial weights and biases
NB_HIDDEN = 50
NB_STEPS = 1000


def sigma(x: Tensor) -> Tensor:
    """The non-linearity, tanh."""
    return x.tanh()


def dsigma(x: Tensor) -> Tensor:
    """Its derivative, the same as 4 / (e^x + e^-x)^2."""
    return 1 - x.tanh().pow(2)


def loss(v: Tensor, t: Tensor) -> Tensor:
    """The squared L2 norm of t - v."""
    return (t - v).pow(2).sum()


def dloss(v: Tensor, t: Tensor) -> Tensor:
    """Its gradient with respect to v."""
    return 2 * (v - t)


def forward_pass(
    w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, x: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The input `x` (784), then s1 and x1 (50), s2 and x2 (10): each layer before and after the non-linearity."""
    x0 = x
    s1 = w1.mv(x0) + b1
    x1 = sigma(s1)
    s2 = w2.mv(x1) + b2
    x2 = sigma(s2)
    return x0, s1, x1, s2, x2


def backward_pass(
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    t: Tensor,
    x: Tensor,
    s1: Tensor,
    x1: Tensor,
    s2: Tensor,
    x2: Tensor,
    dl_dw1: Tensor,
    dl_db1: Tensor,
    dl_dw2: Tensor,
    dl_db2: Tensor,
) -> None:
    """Add the gradient of one sample's loss to the last four tensors; `x` to `x2` are those of `forward_pass`."""
    dl_dx2 = dloss(x2, t)
    dl_ds2 = dsigma(s2) * dl_dx2
    dl_dx1 = w2.t().mv(dl_ds2)
    dl_ds1 = dsigma(s1) * dl_dx1

    dl_dw2.add_(dl_ds2.outer(x1))
    dl_db2.add_(dl_ds2)
    dl_dw1.add_(dl_ds1.outer(x))
    dl_db1.add_(dl_ds1)


class Perceptron:
    """Weights and biases, with their gradients of the same shapes."""

    def __init__(self, nb_inputs: int, nb_hidden: int, nb_outputs: int, device: str) -> None:
        shapes = ((nb_hidden, nb_inputs), (nb_hidden,), (nb_outputs, nb_hidden), (nb_outputs,))
        # Drawn on the CPU: the same numbers for one seed, wherever the rest is computed.
        self.parameters = [torch.empty(shape).normal_(0, EPSILON).to(device) for shape in shapes]
        self.gradients = [torch.zeros_like(parameter) for parameter in self.parameters]

    def step(self, eta: float) -> None:
        """One step against the gradients."""
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter -= eta * gradient

    def accumulate(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the gradients, a sample at a time; returns the summed loss and the number of errors."""
        for gradient in self.gradients:
            gradient.zero_()
        total, nb_errors = input.new_zeros(()), input.new_zeros(())
        for x, t in zip(input, target, strict=True):
            x0, s1, x1, s2, x2 = forward_pass(*self.parameters, x)
            backward_pass(*self.parameters, t, x0, s1, x1, s2, x2, *self.gradients)
            total += loss(x2, t)
            nb_errors += x2.argmax() != t.argmax()
        return total, nb_errors

    def count_errors(self, input: Tensor, target: Tensor) -> Tensor:
        """The number of samples whose largest output is not that of their class."""
        nb_errors = input.new_zeros(())
        for x, t in zip(input, target, strict=True):
            nb_errors += forward_pass(*self.parameters, x)[-1].argmax() != t.argmax()
        return nb_errors


class BatchedPerceptron(Perceptron):
    """The same with a sample per row: each product of a matrix and a vector becomes one of two matrices."""

    def forward(self, input: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """s1, x1, s2, x2 of all samples."""
        w1, b1, w2, b2 = self.parameters
        s1 = input @ w1.t() + b1
        x1 = sigma(s1)
        s2 = x1 @ w2.t() + b2
        return s1, x1, s2, sigma(s2)

    def accumulate(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        s1, x1, s2, x2 = self.forward(input)
        dl_ds2 = dsigma(s2) * dloss(x2, target)
        dl_ds1 = dsigma(s1) * (dl_ds2 @ self.parameters[2])
        self.gradients = [dl_ds1.t() @ input, dl_ds1.sum(0), dl_ds2.t() @ x1, dl_ds2.sum(0)]
        return loss(x2, target), (x2.argmax(1) != target.argmax(1)).sum()

    def count_errors(self, input: Tensor, target: Tensor) -> Tensor:
        return (self.forward(input)[-1].argmax(1) != target.argmax(1)).sum()


def main() -> None:
    """Train on MNIST and print the losses and errors of each step."""
    import dlc_practical_prologue as prologue
    from course_tools import report

    options = report.parse(__doc__)
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--batched", action="store_true")
    batched = parser.parse_known_args()[0].batched
    torch.manual_seed(options.seed)
    nb_steps = 5 if options.tiny and not batched else NB_STEPS

    samples = prologue.load_data(one_hot_labels=True, normalize=True)
    train_input, train_target, test_input, test_target = (tensor.to(options.device) for tensor in samples)
    train_target, test_target = train_target * ZETA, test_target * ZETA
    nb_train, nb_test = train_input.size(0), test_input.size(0)

    kind = BatchedPerceptron if batched else Perceptron
    model = kind(train_input.size(1), NB_HIDDEN, train_target.size(1), options.device)
    losses = []
    for step in range(nb_steps):
        total, nb_train_errors = model.accumulate(train_input, train_target)
        model.step(0.1 / nb_train)
        nb_test_errors = model.count_errors(test_input, test_target)
        losses.append(total.item())
        train_error, test_error = 100 * nb_train_errors.item() / nb_train, 100 * nb_test_errors.item() / nb_test
        print(
            f"{step} acc_train_loss {losses[-1]:.2f} acc_train_error {train_error:.2f}% test_error {test_error:.2f}%",
            flush=True,
        )

    report.write(
        options,
        practical=3,
        data=prologue.get_data_source("mnist"),
        batched=batched,
        nb_parameters=sum(parameter.numel() for parameter in model.parameters),
        nb_steps=nb_steps,
        train_losses=losses,
        train_error=train_error,
        test_error=test_error,
    )


if __name__ == "__main__":
    main()
