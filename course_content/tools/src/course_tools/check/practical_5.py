"""Checks of practical 5: initialization."""

import ast
import itertools
from collections.abc import Iterator
from contextlib import suppress

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_tools.check.checking import Complaint, NotDone, Note, Student, check
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

RADIUS = (2 / torch.pi) ** 0.5
SHALLOW = (2, 128, 2)
DEEP = (2, 4, 8, 16, 32, 64, 128, 2)
NB_EPOCHS = 250


@check("generate_disc_set")
def points_in_a_disc(student: Student) -> Iterator[str]:
    label, nb = "generate_disc_set", 4000
    result = student.call(label, nb)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Complaint(label, "should return two tensors, the points and their classes")
    points = student.tensor(label, result[0], (nb, 2), floating=True)
    target = student.tensor(label, result[1], (nb,), floating=False)
    if target.dtype is not torch.long:
        yield f"{label}: gives classes of {str(target.dtype).removeprefix('torch.')}, a loss wants long()"
    if points.abs().max() > 1 or points.min() > -0.9 or points.max() < 0.9:
        low, high = points.min().item(), points.max().item()
        raise Complaint(label, f"gives points from {low:.2f} to {high:.2f}, expected from -1 to 1 in both directions")
    if not target.unique().tolist() == [0, 1]:
        raise Complaint(label, f"gives the classes {target.unique().tolist()}, expected 0 and 1")
    distance = points.norm(dim=1)
    inside, sure = distance < RADIUS, (distance - RADIUS).abs() > 1e-4
    # The text says 1 inside; programs of earlier years have it the other way round, which changes nothing that follows.
    wrong = min(((target == one) != inside)[sure].sum().item() for one in (0, 1))
    if wrong:
        yield f"{label}: {wrong} of {nb} points have the wrong class: 1 is inside the radius sqrt(2 / pi), 0 outside"
    elif not 0.45 < inside.float().mean() < 0.55:
        yield f"{label}: {inside.float().mean():.0%} of the points are inside, expected half: are they uniform?"
    if torch.equal(points, student.call(label, nb)[0]):
        yield f"{label}: gives the same points at every call: do not seed in it"
    if loop := student.find_loop(label):
        yield f"{label}: {loop} is a loop: draw all points at once"
    for name, line in find_own_means(student.code.body):
        asked = "exercise 1 asks for the mean and standard deviation of the training points"
        yield Note(f"{label}: {student.code.place(line)}: {name} is normalized by its own mean: {asked}")


def find_own_means(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    """Yield tensors of the test set from which their own mean is subtracted, and where."""
    for node in ast.walk(ast.Module(body, [])):
        match node:
            case ast.BinOp(left=ast.Name(id=name), op=ast.Sub(), right=mean):
                pass
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="sub" | "sub_"), args=[mean, *_]):
                pass
            case _:
                continue
        if "test" in name and ast.unparse(mean).startswith((f"{name}.mean(", f"torch.mean({name}")):
            yield name, node.lineno


@check("create_shallow_model")
def shallow(student: Student) -> Iterator[str]:
    yield from judge_model(student, "create_shallow_model", SHALLOW)


@check("create_deep_model")
def deep(student: Student) -> Iterator[str]:
    yield from judge_model(student, "create_deep_model", DEEP)


def judge_model(student: Student, label: str, sizes: tuple[int, ...]) -> Iterator[str]:
    """Check for a chain of linear layers of these sizes with a ReLU after each but the last."""
    model = student.call(label)
    if not isinstance(model, nn.Module):
        raise Complaint(label, "should return a torch.nn.Module")
    layers = list_layers(model)
    found = [layer.in_features for layer in layers[:1]] + [layer.out_features for layer in layers]
    if found != [*sizes]:
        shown = " - ".join(map(str, found)) or "no linear layer"
        raise Complaint(label, f"has {shown}, expected {' - '.join(map(str, sizes))}")
    expected = sum(a * b + b for a, b in itertools.pairwise(sizes))
    count = sum(parameter.numel() for parameter in model.parameters())
    if count != expected:
        yield f"{label}: has {count} parameters, expected {expected}"
    other = [*student.call(label).parameters()]
    if any(mine is yours for mine, yours in zip(model.parameters(), other, strict=False)):
        yield f"{label}: gives the same model at every call: make a new one in it"
    elif all(torch.equal(mine, yours) for mine, yours in zip(model.parameters(), other, strict=False)):
        yield f"{label}: gives the same parameters at every call: do not seed in it"
    for layer in layers:  # so that every ReLU has something to cut, and nothing dies out
        nn.init.normal_(layer.weight, 0, layer.in_features**-0.5)
        nn.init.normal_(layer.bias, 0, 0.1)
    x = torch.randn(50, 2)
    output = student.tensor(label, student.invoke(f"{label}: the model", model, x), (50, 2))
    if torch.allclose(output, chain(layers, x), atol=1e-5):
        return
    if torch.allclose(output, chain(layers, x, between=False), atol=1e-5):
        yield f"{label}: has no ReLU between its layers: it can draw only straight lines"
    elif torch.allclose(output, chain(layers, x).relu(), atol=1e-5):
        yield f"{label}: has a ReLU after its last layer: outputs must be free to be negative"
    elif any(torch.allclose(output, last(chain(layers, x)), atol=1e-5) for last in (soft, log_soft)):
        yield f"{label}: ends with a softmax, which the cross-entropy makes itself"
    else:
        yield f"{label}: is not linear layers with a ReLU after each but the last"


def list_layers(model: nn.Module) -> list[nn.Linear]:
    """Return the linear layers in the order of their use; as they are registered, where not each is used once."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    used: list[nn.Linear] = []
    hooks = [layer.register_forward_hook(lambda layer, *_: used.append(layer)) for layer in layers]
    with suppress(Exception):  # a model that fails is told about where its outputs are looked at
        model(torch.randn(2, 2))
    for hook in hooks:
        hook.remove()
    return used if sorted(map(id, used)) == sorted(map(id, layers)) else layers


def chain(layers: list[nn.Linear], x: Tensor, *, between: bool = True) -> Tensor:
    """Return the layers one after the other."""
    for layer in layers[:-1]:
        x = layer(x).relu() if between else layer(x)
    return layers[-1](x)


def soft(x: Tensor) -> Tensor:
    return x.softmax(1)


def log_soft(x: Tensor) -> Tensor:
    return x.log_softmax(1)


def one_hot_mse(output: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(output, F.one_hot(target, output.size(1)).float())


def summed(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output, target, reduction="sum")


def of_softmax(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output.softmax(1), target)


@check("train_model", seconds=60)
def training(student: Student) -> Iterator[str]:
    input = torch.randn(100, 2)
    target = (input.sum(1) > 0).long()  # a line separates them: no training ever comes to its end
    wrong = [
        *list_mistakes(F.cross_entropy),
        Recipe(one_hot_mse, said="minimizes the mean squared error, expected the cross-entropy"),
        Recipe(
            F.nll_loss, said="gives the outputs to NLLLoss, which wants log_softmax of them: CrossEntropyLoss does both"
        ),
        Recipe(summed, said="sums the loss over the mini-batch, expected its mean"),
        Recipe(of_softmax, said="takes a softmax before the cross-entropy, which makes it itself"),
    ]
    yield from judge_training(student, input, target, (), Recipe(F.cross_entropy), wrong, (NB_EPOCHS,))


@check("train_model", seconds=60)
def mini_batches(student: Student) -> Iterator[str]:
    yield from judge_mini_batches(
        student, torch.randn(1, 2), torch.tensor([1]), 100, (), Recipe(F.cross_entropy), (NB_EPOCHS,)
    )


@check("compute_nb_errors")
def errors(student: Student) -> Iterator[str]:
    label = "compute_nb_errors"
    for nb in (1000, 230):  # as many as the practical has, and then no multiple of the mini-batch
        output, target = torch.randn(nb, 2), torch.randint(0, 2, (nb,))
        expected = int((output.argmax(1) != target).sum())
        model = Known()
        try:
            with student.intact(label, data_input=output, data_target=target, model=model.scale):
                lines = [*judge_count(student.call(label, model, output, target), expected, nb)]
        except NotDone:
            raise
        except Complaint as complaint:
            lines = [str(complaint)]
        if not lines:
            continue
        if nb % 100:
            reason = lines[0].removeprefix(f"{label}: ")
            yield Note(f"{label}: {nb} samples, no multiple of 100: {reason.rstrip('.')}; {NO_REST}")
            return
        vague = "samples are wrong" in lines[0] or "Error" in lines[0]
        yield lines[0] + (explain_classes(student, label) if vague else "")
        yield from lines[1:]
        return
