"""Checks what a framework learns with: losses, optimizers, and a short training with both."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import torch
from torch import Tensor

from course_tools.submit import framework_calls as calls
from course_tools.submit.framework_calls import LR, NB_SAMPLES, UnknownError
from course_tools.submit.framework_compare import WrongError, explain, get_precision, match_size, measure

DOWNHILL = ("adam", "rms", "ada", "momentum", "nesterov")
"""Words in the names of optimizers whose step is no multiple of the gradient."""
NB_STEPS = 30
NB_CLASSES = 2
BROKEN = (TypeError, ValueError, AttributeError, IndexError, KeyError, RuntimeError)

Loss: TypeAlias = Callable[[Tensor, Tensor], tuple[float, Tensor]]
"""Takes predictions and targets (N x 2 each); gives the loss and its derivative by the predictions."""


def check_loss(kind: type) -> Generator[str, None, Loss]:
    """Check that the loss and its derivative agree, whatever it is divided by; return how it is called."""
    reason = "its forward takes other arguments than a prediction and a target"
    for dtype in (torch.float64, torch.float32):
        torch.set_default_dtype(dtype)
        for targets in (torch.eye(2)[[0, 1, 1, 0]], torch.tensor([0, 1, 1, 0])):
            prediction = torch.rand(NB_SAMPLES, 2) * 0.8 + 0.1
            for swapped in (False, True):
                inputs = (targets, prediction) if swapped else (prediction, targets)
                for loss in calls.build(kind):
                    try:
                        value = torch.as_tensor(calls.run_forward(loss, *inputs))
                    except (NotImplementedError, calls.AutogradError):
                        raise
                    except Exception as error:
                        reason = f"forward: {type(error).__name__}: {calls.first_line(error)}"
                        continue
                    if value.is_floating_point() and bool(value.isfinite().all()):
                        return (yield from compare_loss(loss, inputs, value))
    raise UnknownError(reason)


def compare_loss(loss: Any, inputs: tuple[Tensor, Tensor], value: Tensor) -> Generator[str, None, Loss]:
    """Compare backward with the slope of forward by the argument that is the prediction."""
    if value.requires_grad:
        raise WrongError("forward builds autograd's graph: this is what the project is about to do without")
    scales = [1.0]
    if value.numel() != 1:
        yield f"forward gives {value.numel()} numbers instead of one"
        scales = [1.0, 1 / value.numel()]
    precision = get_precision(value, *(each for each in inputs if each.is_floating_point()))
    calls.run_forward(loss, *inputs)
    back = calls.run_backward(loss, (), inputs, (torch.ones(()),), (value,))
    if not isinstance(back, Tensor):
        raise UnknownError("backward does not return the derivative")
    ratios = []
    names = [each.name for each in calls.list_arguments(calls.find_method(loss, calls.FORWARD))]
    for number in order_inputs(names, inputs):
        copies = [each.clone() for each in inputs]
        slope = measure(lambda: calls.run_forward(loss, *copies).double().sum(), copies[number], precision)  # noqa: B023
        sized = match_size(back, copies[number])
        if sized is None:
            raise WrongError(f"backward returns a derivative of size {[*back.shape]}")
        if any(slope.agrees(sized, scale) for scale in scales):
            return make_loss(loss, number, labels=not all(each.is_floating_point() for each in inputs))
        ratios.append(explain(slope, sized))
    raise WrongError(f"backward is not the derivative of forward{ratios[0]}")


def make_loss(loss: Any, place: int, *, labels: bool) -> Loss:
    """Return how to call a loss whose argument number `place` is the prediction; its targets may be `labels`."""

    def call(prediction: Tensor, target: Tensor) -> tuple[float, Tensor]:
        aim = target.argmax(1) if labels else target
        inputs = (aim, prediction) if place else (prediction, aim)
        value = torch.as_tensor(calls.run_forward(loss, *inputs)).sum()
        back = calls.run_backward(loss, (), inputs, (torch.ones(()),), (value,))
        return float(value), back.reshape(prediction.shape)

    return call


def order_inputs(names: Sequence[str], inputs: Sequence[Tensor]) -> list[int]:
    """Return the places of the arguments that may be the prediction, by the names of forward's arguments."""
    floats = [number for number, each in enumerate(inputs) if each.is_floating_point()]
    if len(names) > 1 and 1 in floats and is_target(names[0], names[1]):
        return [1]
    return floats[:1]


def is_target(name: str, other: str) -> bool:
    """Return whether an argument called `name` is the target, and not the one called `other`."""
    words = ("target", "label", "true", "truth", "expected", "gt")
    if any(word in other.lower() for word in words):
        return False
    predicted = any(word in other.lower() for word in ("pred", "out", "hat", "logit"))
    return any(word in name.lower() for word in words) or (name in ("y", "t") and (predicted or other == "y"))


def check_optimizer(kind: type, found: calls.Probe) -> Iterator[str]:
    """Check that a step of an optimizer goes down along the gradients of a module."""
    module, x = found.module, found.input
    gradient = torch.randn_like(found.output)
    optimizers = list(build_optimizers(kind, module))
    if not optimizers:
        raise UnknownError("it takes neither (parameters, lr) nor (module, lr)")
    calls.zero(module)
    calls.run_forward(module, x)
    calls.run_backward(module, (gradient,), (x, gradient), (gradient, x))
    for optimizer in [*optimizers, *build_optimizers(kind, module)]:  # the first were there before the gradients
        before = {path: tensor.clone() for path, tensor in calls.get_state(module).items()}
        if step(optimizer, module):
            after = calls.get_state(module)
            moved = [path for path in before if path in after and not torch.equal(before[path], after[path])]
            if moved:
                yield from compare_step(kind.__name__, {path: before[path] - after[path] for path in moved}, before)
                return
    raise UnknownError("its step changes none of the module's tensors")


def step(optimizer: Any, module: Any) -> bool:
    """Let an optimizer, or the module itself, make a step; False when its method takes other arguments."""
    method = calls.find_method(optimizer, calls.STEP)
    for arguments in ((), (LR,), (calls.list_parameters(module),), (module,)):
        with suppress(*BROKEN):
            method(*arguments)
            return True
    return False


def build_optimizers(kind: type, module: Any) -> Iterator[Any]:
    """Yield instances with the step LR for `module`, however they take them: by the names of their arguments first."""
    parameters = calls.list_parameters(module)
    things = {"param": parameters, "layers": [module], "modules": [module], "model": module, "net": module}
    named = []
    for each in calls.list_arguments(kind):
        thing = next((things[word] for word in things if word in each.name.lower()), None)
        if calls.RATE.match(each.name) or thing is not None:
            named.append(LR if thing is None else thing)
    choices = ((parameters, LR), (module, LR), (LR, parameters), (LR, module), (LR,), (parameters,), ())
    for arguments in (named, *choices):
        with suppress(*BROKEN):
            yield kind(*arguments)


def compare_step(name: str, moves: dict[str, Tensor], before: dict[str, Tensor]) -> Iterator[str]:
    """Compare the moves of a module's tensors with the gradients that lay in it."""
    along = []
    for path, move in moves.items():
        for gradient in before.values():
            same = torch.equal(gradient, before[path])  # a tensor that is there under two names
            if gradient.shape == move.shape and move.numel() > 4 and not same and gradient.abs().max() > 0:
                cosine = (move * gradient).sum() / move.norm() / gradient.norm()
                along.append(cosine.item())
    best = max(along, key=abs, default=0.0)
    if best < -0.99:
        raise WrongError("its step goes up along the gradient, not down")
    if best < 0.99 and not any(word in name.lower() for word in DOWNHILL):
        yield "could not be compared: its step is no multiple of the gradient"


def check_training(model: Any, x: Tensor, loss: Loss, optimizer: type | None) -> None:
    """Check that a short training of a network, which takes `x` (4 x 3) and gives 4 x 2, lowers its loss."""
    movers = list(build_optimizers(optimizer, model)) if optimizer else [model]
    target = torch.eye(NB_CLASSES)[[0, 1, 1, 0]]
    for mover in movers:
        values = []
        for _ in range(NB_STEPS):
            value, gradient = loss(calls.run_forward(model, x), target)
            values.append(value)
            if not calls.zero(model) and not calls.zero(mover):
                forget(model)
            calls.run_backward(model, (gradient,))
            if not step(mover, model):
                break
        if len(values) == NB_STEPS and values[-1] != values[0]:
            if not values[-1] < values[0]:
                raise WrongError(
                    f"{NB_STEPS} steps of a small network raise its loss, {values[0]:.3g} to {values[-1]:.3g}"
                )
            return
    raise UnknownError("no step that changes a small network was found")


def forget(model: Any) -> None:
    """Set the gradients of the pairs that `model` gives to zero."""
    for _, gradient in calls.find_pairs(calls.list_parameters(model)):
        if isinstance(gradient, Tensor):
            gradient.zero_()
