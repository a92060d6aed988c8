"""Checks of practical 4: convolutional networks."""

import inspect
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_tools.check.checking import Complaint, NotDone, Student, check
from course_tools.check.training import Known, Recipe, judge_count, judge_mini_batches, judge_training, list_mistakes

EPOCHS = (25, 100)  # of the editions until 2020, and of the last one


def summed(output: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(output, target, reduction="sum")


def of_softmax(output: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(output.softmax(1), target)


@check("train_model", seconds=60)
def training(student: Student) -> Iterator[str]:
    input = torch.randn(60, 1, 28, 28) * 0.1
    target = F.one_hot(torch.arange(60) % 10, 10).float() * 2 - 1
    wrong = [
        *list_mistakes(F.mse_loss),
        Recipe(F.cross_entropy, said="minimizes the cross-entropy, expected the mean squared error"),
        Recipe(summed, said="sums the squares, expected their mean (MSELoss as it comes)"),
        Recipe(of_softmax, said="takes a softmax of the outputs: the loss is that of the outputs themselves"),
    ]
    yield from judge_training(student, input, target, (60,), Recipe(F.mse_loss), wrong, EPOCHS)


@check("train_model", seconds=60)
def mini_batches(student: Student) -> Iterator[str]:
    target = F.one_hot(torch.tensor([3]), 10).float() * 2 - 1
    for size in (20, 30):
        # So weak that the way to the least loss is not over after these few steps.
        sample = torch.randn(1, 1, 28, 28) * 0.01
        lines = [*judge_mini_batches(student, sample, target, size, (size,), Recipe(F.mse_loss))]
        if lines:
            yield from lines
            return


@check("compute_nb_errors")
def errors(student: Student) -> Iterator[str]:
    label = "compute_nb_errors"
    for coding, nb in ((0, 60), (-1, 60), (-1, 47)):
        output = torch.randn(nb, 10)
        classes = torch.where(torch.rand(nb) < 0.7, output.argmax(1), torch.randint(0, 10, (nb,)))
        target = torch.full((nb, 10), float(coding)).scatter_(1, classes[:, None], 1.0)
        expected = int((output.argmax(1) != classes).sum())
        model = Known()
        with student.intact(label, input=output, target=target, model=model.scale):
            try:
                lines = [*judge_count(student.call(label, model, output, target, 20), expected, nb)]
            except NotDone:
                raise
            except Complaint as complaint:
                lines = [str(complaint)]
        if lines and nb % 20:
            reason = lines[0].removeprefix(f"{label}: ")
            lines = [f"{label}: {nb} samples, mini-batches of 20, so the last is smaller: {reason}"]
        if lines:
            yield from lines
            return
        if max(model.sizes) > 20:
            yield f"{label}: shows {max(model.sizes)} samples at once where mini_batch_size is 20"
            return


@check("Net", seconds=40)
def hidden_units(student: Student) -> Iterator[str]:
    net = student.get("Net")
    parameters = [*inspect.signature(net).parameters.values()]
    if not parameters:
        raise NotDone("Net", "not done yet: takes no number of hidden units (exercise 3)")
    for nb_hidden in (10, 200, 500):
        model = student.invoke("Net", net, nb_hidden)
        count = sum(parameter.numel() for parameter in model.parameters())
        expected = 832 + 51_264 + 257 * nb_hidden + 10 * nb_hidden + 10
        if count != expected:
            yield f"Net: has {count} parameters with {nb_hidden} hidden units, expected {expected}"
            return
        student.tensor("Net", student.invoke("Net: its forward", model, torch.randn(3, 1, 28, 28)), (3, 10))


@check("Net2", seconds=40)
def three_convolutions(student: Student) -> Iterator[str]:
    model = student.invoke("Net2", student.get("Net2"))
    if not isinstance(model, nn.Module):
        raise Complaint("Net2", "should be a torch.nn.Module")
    used: list[nn.Module] = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, *_: used.append(module))
    x = torch.randn(30, 1, 28, 28)
    output = student.tensor("Net2", student.invoke("Net2: its forward", model, x), (30, 10))
    if len(used) != 3:
        yield f"Net2: a sample goes through {len(used)} convolutions (nn.Conv2d), expected three"
    if output.min() >= 0:
        last = "softmax" if torch.allclose(output.sum(1), torch.ones(30), atol=1e-4) else "ReLU"
        yield f"Net2: has no negative output: is there a {last} after its last layer?"
    output.square().sum().backward()
    idle = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    if idle:
        yield f"Net2: {', '.join(idle)} takes no part in the output"
