"""Checks of practical 4: convolutional networks."""

import ast
import inspect
import re
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_tools.check.checking import Complaint, NotDone, Note, Student, check
from course_tools.check.student_code import last_name
from course_tools.check.training import (
    NO_REST,
    Known,
    Recipe,
    explain_classes,
    judge_count,
    judge_mini_batches,
    judge_training,
    list_mistakes,
)

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
    for node in student.walk("train_model"):
        if isinstance(node, ast.Call) and last_name(node.func) == "SGD":
            yield Note(f"train_model: {student.code.place(node.lineno)}: here the step is yours to write, without SGD")


@check("train_model", seconds=60)
def mini_batches(student: Student) -> Iterator[str]:
    target = F.one_hot(torch.tensor([3]), 10).float() * 2 - 1
    for size in (20, 30):
        # So weak that the way to the least loss is not over after these few steps.
        sample = torch.randn(1, 1, 28, 28) * 0.01
        lines = [*judge_mini_batches(student, sample, target, size, (size,), Recipe(F.mse_loss), EPOCHS)]
        if lines:
            yield from lines
            return


@check("compute_nb_errors")
def errors(student: Student) -> Iterator[str]:
    """Try both codings: the test set's targets are 0 and 1, the training set's -1 and +1."""
    label = "compute_nb_errors"
    with_zeros, shown = count_wrong(student, 0, 60)
    with_signs, more = count_wrong(student, -1, 60)
    if with_zeros and not with_signs:
        where, reason = find_sign_test(student), with_zeros[0].removeprefix(f"{label}: ")
        cure = f"{where}the test set has targets of 0 and 1 unless you turn them, too; argmax(1) does with both"
        line = f"{label}: right for targets of -1 and +1 only, of 0 and 1 it {reason}: {cure}"
        yield Note(line) if turns_test_targets(student) else line
    elif with_signs and not with_zeros:
        reason = with_signs[0].removeprefix(f"{label}: ")
        yield Note(f"{label}: right for targets of 0 and 1; of -1 and +1, as those to train with, it {reason}")
    elif with_zeros:
        reason = with_zeros[0]
        yield reason + explain_classes(student, label) if "samples are wrong" in reason or "Error" in reason else reason
        yield from with_zeros[1:]
    if with_zeros and with_signs:
        return
    if max(shown + more) > 20:
        yield f"{label}: shows {max(shown + more)} samples at once where mini_batch_size is 20"
        return
    lines, _ = count_wrong(student, -1 if with_zeros else 0, 47)
    if lines:
        reason = lines[0].removeprefix(f"{label}: ")
        yield Note(
            f"{label}: 47 samples in mini-batches of 20, so the last is smaller: {reason.rstrip('.')}; {NO_REST}"
        )


def count_wrong(student: Student, coding: int, nb: int) -> tuple[list[str], list[int]]:
    """Return what is wrong with the errors of `nb` samples whose targets are `coding` and 1, and the sizes shown."""
    label = "compute_nb_errors"
    output = torch.randn(nb, 10)
    classes = torch.where(torch.rand(nb) < 0.7, output.argmax(1), torch.randint(0, 10, (nb,)))
    target = torch.full((nb, 10), float(coding)).scatter_(1, classes[:, None], 1.0)
    expected = int((output.argmax(1) != classes).sum())
    model = Known()
    try:
        with student.intact(label, input=output, target=target, model=model.scale):
            lines = [*judge_count(student.call(label, model, output, target, 20), expected, nb)]
    except NotDone:
        raise
    except Complaint as complaint:
        lines = [str(complaint)]
    return lines, model.sizes or [0]


def find_sign_test(student: Student) -> str:
    """Return `line 7: ` for a line of compute_nb_errors that asks whether a target is below 0 or -1; else ""."""
    for node in student.walk("compute_nb_errors"):
        if isinstance(node, ast.Compare) and any(map(is_sign, [node.left, *node.comparators])):
            return f"{student.code.place(node.lineno)}: "
    return ""


def is_sign(node: ast.AST) -> bool:
    """Return whether an expression is 0 or -1."""
    return isinstance(node, ast.expr) and ast.unparse(node) in ("0", "0.0", "-1", "-1.0", "0.")


def turns_test_targets(student: Student) -> bool:
    """Return whether the file makes other targets of the test set's, or asks the prologue for signed ones."""
    text = "\n".join(map(ast.unparse, student.code.body))
    turned = r"test_target\w*\s*=\s*[^\n]*test_target|test_target\w*\.(mul|add|sub)_|test_target\w*\[[^\n]*\]\s*="
    return bool(re.search(turned + r"|test_target\w* [-*+/]=|signed", text))


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
