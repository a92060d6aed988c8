"""What the checks of trainings share: a model that notes what it is shown, and trainings with a known mistake."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from course_tools.checking import Finding, Student


class Watched(nn.Module):
    """A linear model that notes the sizes of the mini-batches it is shown while gradients are on."""

    def __init__(self, nb_inputs: int, nb_outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(nb_inputs, nb_outputs)
        self.sizes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            self.sizes.append(x.size(0))
        return self.linear(x.flatten(1))


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
    """How a training goes: the right one, and what is said of one that goes like this instead."""

    criterion: Callable[[Tensor, Tensor], Tensor]
    rate: float
    reset: bool = True
    said: str = ""
    weights: list[Tensor] = field(default_factory=list)

    def train(self, model: nn.Module, input: Tensor, target: Tensor, nb_steps: int) -> None:
        """Plain gradient descent on all samples at once."""
        for _ in range(nb_steps):
            loss = self.criterion(model(input), target)
            if self.reset:
                model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= self.rate * parameter.grad


def judge_training(
    student: Student, input: Tensor, target: Tensor, arguments: Sequence[int], right: Recipe, wrong: Sequence[Recipe],
    epochs: Sequence[int],
) -> Iterator[str]:  # fmt: skip
    """Train on one mini-batch, whose outcome does not depend on the order of samples, and compare with `right`."""
    label = "train_model"
    nb_outputs = target.size(1) if target.dim() > 1 else int(target.max()) + 1
    model, copy = (Watched(input[0].numel(), nb_outputs) for _ in range(2))
    copy.load_state_dict(model.state_dict())
    before = [parameter.detach().clone() for parameter in model.parameters()]
    with student.intact(label, train_input=input, train_target=target):
        student.run(label, model, input, target, *arguments)
    seen = len(model.sizes)
    if not seen:
        raise Finding(f"{label}: never shows a sample to the model")
    if seen not in epochs:
        raise Finding(f"{label}: goes {seen} times through the samples, expected {epochs[0]}")
    after = [parameter.detach() for parameter in model.parameters()]
    if all(torch.equal(old, new) for old, new in zip(before, after, strict=True)):
        raise Finding(f"{label}: leaves the model's parameters as they were")
    if is_like(copy, right, before, after, input, target, seen):
        return
    for recipe in wrong:
        if is_like(copy, recipe, before, after, input, target, seen):
            raise Finding(f"{label}: {recipe.said}")
    yield f"{label}: does not end where gradient descent with a learning rate of {right.rate:g} and this loss ends"


def is_like(
    model: nn.Module, recipe: Recipe, before: list[Tensor], after: list[Tensor], input: Tensor, target: Tensor, nb: int
) -> bool:
    """Whether `recipe` leads from the parameters `before` to those `after`."""
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), before, strict=True):
            parameter.copy_(value)
            parameter.grad = None
    recipe.train(model, input, target, nb)
    moved = max((new - old).abs().max().item() for old, new in zip(before, after, strict=True))
    pairs = zip(model.parameters(), after, strict=True)
    return max((mine - theirs).abs().max().item() for mine, theirs in pairs) < 0.02 * moved + 1e-6


def judge_count(student: Student, value: object, expected: int, total: int) -> Iterator[str]:
    """A number of errors must be a whole Python number."""
    label = "compute_nb_errors"
    if isinstance(value, Tensor):
        yield f"{label}: gives a tensor, expected a Python number: item() makes one of it"
        value = value.item() if value.numel() == 1 else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if value == expected:
        return
    if value == total - expected:
        yield f"{label}: counts the samples that are right"
    elif (expected and abs(value - expected / total) < 1e-6) or abs(value - 100 * expected / total) < 1e-6:
        yield f"{label}: gives a share of the samples, expected their number"
    else:
        yield f"{label}: gives {value:g} where {expected} of {total} samples are wrong"
