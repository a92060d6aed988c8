"""What the checks of trainings share: a model that notes what it is shown, and trainings with a known mistake."""

import math
import numbers
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_tools.check.checking import Complaint, Student, describe

RATES = (1e-4, 1e-3, 1e-2, 2e-2, 5e-2, 0.2, 0.5, 1.0)
"""Learning rates that are told from 0.1."""
TOLERANCE = 1e-3  # of how far the parameters went; sums in another order make some 1e-6


class Watched(nn.Module):
    """A linear model that notes how many samples it is shown, and of how many it gets a gradient."""

    def __init__(self, nb_inputs: int, nb_outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(nb_inputs, nb_outputs)
        self.shown = 0
        self.sizes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.shown += x.size(0)
        output: Tensor = self.linear(x.flatten(1))
        if output.requires_grad:
            output.register_hook(lambda gradient: self.sizes.append(gradient.size(0)))
        return output


class Known(nn.Module):
    """A model whose outputs are its inputs, but for a parameter of no effect; it notes the sizes it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.sizes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append(x.size(0))
        return x.flatten(1) * self.scale


@dataclass(frozen=True)
class Recipe:
    """How a training goes: the right one, or one with a mistake, and what is said of that."""

    criterion: Callable[[Tensor, Tensor], Tensor]
    rate: float = 0.1
    steps_of_a_sum: float = 1
    """After so many steps the gradients are set to zero."""
    said: str = ""

    def train(self, model: nn.Module, input: Tensor, target: Tensor, nb_steps: int) -> None:
        """Do plain gradient descent on all samples at once."""
        for step in range(nb_steps):
            loss = self.criterion(model(input), target)
            if step % self.steps_of_a_sum == 0:
                model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= self.rate * parameter.grad


def list_mistakes(criterion: Callable[[Tensor, Tensor], Tensor]) -> Iterator[Recipe]:
    """Yield what goes wrong in a training with the right loss."""
    yield Recipe(criterion, 0.1, math.inf, "lets the gradients of all steps add up: set them to zero before each")
    yield Recipe(criterion, -0.1, said="goes up the gradient: subtract it")
    for rate in RATES:
        yield Recipe(criterion, rate, said=f"has a learning rate of {rate:g}, expected 0.1")


def judge_training(
    student: Student, input: Tensor, target: Tensor, arguments: Sequence[int], right: Recipe, wrong: Sequence[Recipe],
    epochs: Sequence[int],
) -> Iterator[str]:  # fmt: skip
    """Train on one mini-batch, whose outcome does not depend on the order of samples, and compare with `right`."""
    label = "train_model"
    nb_outputs = target.size(1) if target.dim() > 1 else int(target.max()) + 1
    model, before = make_watched(input[0].numel(), nb_outputs)
    with student.intact(label, train_input=input, train_target=target):
        student.run(label, model, input, target, *arguments)
    if not model.shown:
        raise Complaint(label, "never shows a sample to the model")
    nb_steps = len(model.sizes)
    if not nb_steps:
        raise Complaint(label, "computes no gradient: where is backward()?")
    if nb_steps not in epochs:
        raise Complaint(label, f"goes {nb_steps} times through the samples, expected {epochs[0]}")
    after = [parameter.detach() for parameter in model.parameters()]
    if all(torch.equal(old, new) for old, new in zip(before, after, strict=True)):
        raise Complaint(label, "leaves the model's parameters as they were")
    if not torch.stack([value.isfinite().all() for value in after]).all():
        raise Complaint(label, "makes the parameters infinite: its steps are too large")
    if leads_there(right, before, after, input, target, nb_steps):
        return
    for recipe in wrong:
        if leads_there(recipe, before, after, input, target, nb_steps):
            yield f"{label}: {recipe.said}"
            return
    yield f"{label}: does not end where plain gradient descent with a learning rate of 0.1 and this loss ends"


def judge_mini_batches(
    student: Student, sample: Tensor, target: Tensor, size: int, arguments: Sequence[int], right: Recipe
) -> Iterator[str]:
    """Train on two and a half mini-batches of one sample, repeated: then the order of samples plays no part."""
    label, nb, nb_batches = "train_model", 5 * size // 2, 3
    nb_outputs = target.size(1) if target.dim() > 1 else 2
    model, before = make_watched(sample.numel(), nb_outputs)
    samples = sample.expand(nb, *sample.shape[1:]).clone(), target.expand(nb, *target.shape[1:]).clone()
    try:
        student.run(label, model, *samples, *arguments)
    except Complaint as complaint:
        reason = f"{nb} samples, mini-batches of {size}, so the last is smaller: {complaint.reason}"
        raise Complaint(label, reason) from None
    sizes = sorted(set(model.sizes))
    if sizes == [size]:
        raise Complaint(label, f"leaves out the last mini-batch when it is smaller: {nb} samples, {size} at once")
    if sizes != [nb % size, size]:
        shown = " or ".join(map(str, sizes))
        raise Complaint(label, f"shows {shown} of {nb} samples at once, expected mini-batches of {size}")
    if label in student.faulty:
        return  # what is wrong with a single mini-batch is told already
    after = [parameter.detach() for parameter in model.parameters()]
    nb_steps = len(model.sizes)
    nb_epochs = nb_steps // nb_batches
    if leads_there(right, before, after, sample, target, nb_steps):
        return
    per_epoch = Recipe(right.criterion, right.rate, nb_batches)
    if leads_there(per_epoch, before, after, sample, target, nb_steps):
        yield f"{label}: lets the gradients of an epoch add up: set them to zero before each mini-batch's backward()"
        return
    for factor in (1, nb_batches):
        once = Recipe(right.criterion, factor * right.rate)
        if leads_there(once, before, after, sample, target, nb_epochs):
            yield f"{label}: makes one step in an epoch, expected one after each mini-batch"
            return
    yield f"{label}: with several mini-batches it does not end where gradient descent ends"


def make_watched(nb_inputs: int, nb_outputs: int) -> tuple[Watched, list[Tensor]]:
    """Return a model, and a copy of its parameters."""
    model = Watched(nb_inputs, nb_outputs)
    return model, [parameter.detach().clone() for parameter in model.parameters()]


def leads_there(
    recipe: Recipe, before: list[Tensor], after: list[Tensor], input: Tensor, target: Tensor, nb_steps: int
) -> bool:
    """Return whether `recipe` leads from the parameters `before` to those `after`."""
    model = Watched(input[0].numel(), before[1].numel())
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), before, strict=True):
            parameter.copy_(value)
    recipe.train(model, input, target, nb_steps)
    moved: float = max((new - old).abs().max().item() for old, new in zip(before, after, strict=True))
    pairs = zip(model.parameters(), after, strict=True)
    missed: float = max((mine - theirs).abs().max().item() for mine, theirs in pairs)
    return missed < TOLERANCE * moved + 1e-6


def judge_count(value: object, expected: int, total: int) -> Iterator[str]:
    """Yield what is wrong with a number of errors, which must be a Python int."""
    label = "compute_nb_errors"
    if isinstance(value, Tensor):
        yield f"{label}: gives a tensor, expected a Python number: item() makes one of it"
        if value.numel() != 1:
            return
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        yield f"{label}: gives {describe(value)}, expected the number of errors, an int"
        return
    number = float(value)
    if number == expected:
        if not isinstance(value, numbers.Integral):
            yield f"{label}: gives the float {number:g}, expected an int: it counts samples"
    elif number == total - expected:
        yield f"{label}: counts the samples that are right"
    elif abs(number - expected / total) < 1e-4 or abs(number - 100 * expected / total) < 1e-2:
        yield f"{label}: gives a share of the samples, expected their number"
    else:
        yield f"{label}: gives {number:g} where {expected} of {total} samples are wrong"
