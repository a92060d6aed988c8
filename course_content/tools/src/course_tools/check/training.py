"""What the checks of trainings share: a model that notes what it is shown, and trainings with a known mistake."""

import ast
import math
import numbers
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

from course_tools.check.checking import Complaint, NotDone, Note, Student, describe
from course_tools.check.student_code import last_name

RATES = (1e-4, 1e-3, 1e-2, 2e-2, 5e-2, 0.2, 0.5, 1.0)
"""Learning rates that are told from 0.1."""
MOST_SEEN = 1000
TOLERANCE = 1e-3  # of how far the parameters went; sums in another order make some 1e-6


class Watched(nn.Module):
    """A linear model that notes how many samples it is shown, which ones, and of how many it gets a gradient."""

    def __init__(self, nb_inputs: int, nb_outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(nb_inputs, nb_outputs)
        self.shown = 0
        self.seen: set[float] = set()
        """The first numbers of the samples."""
        self.sizes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.shown += x.size(0)
        if len(self.seen) < MOST_SEEN:
            self.seen.update(x.detach().flatten(1)[:, 0].tolist())
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


class Optimizers:
    """The optimizers that made a step, and what is unusual in them."""

    def __init__(self) -> None:
        self.used: dict[int, Optimizer] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note those that make a step meanwhile."""
        hook = register_optimizer_step_pre_hook(lambda optimizer, *_: self.used.update({id(optimizer): optimizer}))
        try:
            yield
        finally:
            hook.remove()

    def explain(self, rate: float) -> str:
        """Return what makes their steps other than those of plain gradient descent; "" when nothing does."""
        for optimizer in self.used.values():
            if (name := type(optimizer).__name__) != "SGD":
                return f"makes the steps of {name}, expected those of plain SGD"
            group = optimizer.param_groups[0]
            for option in ("momentum", "weight_decay"):
                if group[option]:
                    return f"has a {option.replace('_', ' ')} of {group[option]:g}, expected plain SGD"
            if group["lr"] != rate:
                return f"has a learning rate of {group['lr']:g}, expected {rate:g}"
        return ""


def judge_training(
    student: Student, input: Tensor, target: Tensor, arguments: Sequence[int], right: Recipe, wrong: Sequence[Recipe],
    epochs: Sequence[int],
) -> Iterator[str]:  # fmt: skip
    """Train on one mini-batch, whose outcome does not depend on the order of samples, and compare with `right`."""
    label = "train_model"
    nb_outputs = target.size(1) if target.dim() > 1 else int(target.max()) + 1
    model, before = make_watched(input[0].numel(), nb_outputs)
    optimizers = Optimizers()
    with student.intact(label, train_input=input, train_target=target), optimizers.watched():
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
    plain = "does not end where plain gradient descent with a learning rate of 0.1 and this loss ends"
    yield f"{label}: {optimizers.explain(right.rate) or plain}"


def judge_mini_batches(
    student: Student, sample: Tensor, target: Tensor, size: int, arguments: Sequence[int], right: Recipe,
    epochs: Sequence[int],
) -> Iterator[str]:  # fmt: skip
    """Train on three mini-batches of almost one sample, repeated: then the order of samples plays no part."""
    label, nb_batches = "train_model", 3
    nb = nb_batches * size
    model, before = train_on_repeated(student, sample, target, nb, arguments)
    sizes, nb_steps = sorted({*model.sizes}), len(model.sizes)
    if sizes != [size]:
        shown = " or ".join(map(str, sizes))
        raise Complaint(label, f"shows {shown} of {nb} samples at once, expected mini-batches of {size}")
    if nb_steps in epochs or len(model.seen) < nb:
        some = f"{nb} samples in mini-batches of {size}: in each epoch it shows the model"
        which = "one mini-batch only" if nb_steps in epochs else f"the same {len(model.seen)} again and again"
        raise Complaint(label, f"{some} {which}: go through all {nb_batches}")
    if label in student.faulty:
        return  # what is wrong with a single mini-batch is told already
    after = [parameter.detach() for parameter in model.parameters()]
    nb_epochs = nb_steps // nb_batches
    if leads_there(right, before, after, sample, target, nb_steps):
        yield from judge_rest(student, sample, target, size, arguments)
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
    yield f"{label}: with {nb} samples in mini-batches of {size} it does not end where gradient descent ends"


def judge_rest(student: Student, sample: Tensor, target: Tensor, size: int, arguments: Sequence[int]) -> Iterator[str]:
    """Yield a note when the last mini-batch cannot be smaller: the practical's 1000 samples are ten times 100."""
    label, nb = "train_model", 3 * size // 2
    case = f"{nb} samples in mini-batches of {size}, so the last is smaller"
    try:
        model, _ = train_on_repeated(student, sample, target, nb, arguments)
    except NotDone:
        raise
    except Complaint as complaint:
        yield Note(f"{label}: {case}: {complaint.reason.rstrip('.')}; {NO_REST}")
    else:
        if nb % size not in model.sizes:
            yield Note(f"{label}: {case}: leaves it out; {NO_REST}")


NO_REST = "1000 samples leave no rest, so here it is right; split() would do with any number"


def train_on_repeated(
    student: Student, sample: Tensor, target: Tensor, nb: int, arguments: Sequence[int]
) -> tuple[Watched, list[Tensor]]:
    """Train on a sample `nb` times, and return the model and its first parameters."""
    nb_outputs = target.size(1) if target.dim() > 1 else 2
    model, before = make_watched(sample.numel(), nb_outputs)
    input = sample.expand(nb, *sample.shape[1:]).clone()
    input.flatten(1)[:, 0] += 1e-6 * torch.arange(nb)  # so little that only Watched can tell one from the other
    student.run("train_model", model, input, target.expand(nb, *target.shape[1:]).clone(), *arguments)
    return model, before


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


def explain_classes(student: Student, label: str) -> str:
    """Return where `label` looks for the largest element along the wrong dimension, as the end of a line."""
    for node in student.walk(label):
        if not isinstance(node, ast.Call) or (name := last_name(node.func)) not in ("argmax", "max"):
            continue
        given = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg in ("dim", "axis"))]
        # torch.max(x, 0) has the tensor first, x.max(0) has it before the dot.
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            given = given[node.func.value.id == "torch" :]
        where = student.code.place(node.lineno)
        if given and isinstance(given[0], ast.Constant) and given[0].value == 0:
            return f": {where}: {name}(0) goes down a column, over the samples: {name}(1) finds the class of each row"
        if name == "argmax" and not given:
            return f": {where}: argmax() looks at all samples at once: argmax(1) finds the class of each row"
    return ""


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
