"""Compares the derivatives of a framework's classes with differences of their own outputs.

The derivative of a sum over an output is (f(x + h) - f(x - h)) / 2h, for an input as for a parameter: this needs
neither the names nor the design of a class. The checks yield notes, and raise WrongError, or UnknownError for what
could not be compared.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from course_tools.submit import framework_calls as calls
from course_tools.submit.framework_calls import NB_SAMPLES, UnknownError

NB_ENTRIES = 8  # of each tensor are compared
STEPS = {torch.float64: (1e-6,), torch.float32: (1e-2, 1e-3)}  # h
TOLERANCES = {torch.float64: 1e-5, torch.float32: 2e-2}  # relative
EXACT = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


class WrongError(Exception):
    """One line: what is wrong with a class."""


@dataclass
class Slope:
    """The derivatives of a number by some entries of a tensor: one list for each h."""

    entries: list[tuple[int, ...]]
    values: list[Tensor]
    tolerance: float

    def is_zero(self) -> bool:
        return float(self.values[0].abs().max()) < self.tolerance / 4

    def find_ratio(self, got: Tensor) -> float | None:
        """Return how many times as large as these the entries of `got` are; None where that differs among them."""
        mine = pick(got, self.entries)
        for values in self.values:
            size = (values @ values).item()
            ratio = (mine @ values).item() / size if size > 0 else 1.0
            if (mine - ratio * values).abs().max() <= self.tolerance * max(1e-3, mine.abs().max().item()):
                return ratio
        return None

    def agrees(self, got: Tensor, scale: float = 1.0) -> bool:
        """Return whether `got` is `scale` times as large, entry for entry, for one h or another."""
        mine = pick(got, self.entries)
        bounds = [self.tolerance * max(0.1, values.abs().max().item()) * scale for values in self.values]
        close = [(mine - scale * values).abs() <= bound for values, bound in zip(self.values, bounds, strict=True)]
        return bool(torch.stack(close).any(0).all())


def pick(tensor: Tensor, entries: Sequence[tuple[int, ...]]) -> Tensor:
    """Return some entries of a tensor, as numbers of float64."""
    return torch.tensor([tensor[entry].item() for entry in entries], dtype=torch.float64)


def measure(function: Callable[[], Tensor], tensor: Tensor, precision: torch.dtype) -> Slope:
    """Return the derivatives of `function`, which reads `tensor`, by some of its entries; leave it as it was."""
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(tensor.numel(), generator=generator)[:NB_ENTRIES]
    entries = [tuple(int(index) for index in torch.unravel_index(number, tensor.shape)) for number in chosen]
    values = []
    for h in STEPS[precision]:
        slopes = []
        for entry in entries:
            old, ends = tensor[entry].item(), []
            for end in (old + h, old - h):
                tensor[entry] = end
                ends.append(float(function()))
            tensor[entry] = old
            slopes.append((ends[0] - ends[1]) / (2 * h))
        values.append(torch.tensor(slopes, dtype=torch.float64))
    return Slope(entries, values, TOLERANCES[precision])


def get_precision(*tensors: Tensor) -> torch.dtype:
    """Return the coarsest type among `tensors`."""
    return torch.float32 if any(each.dtype != torch.float64 for each in tensors) else torch.float64


def match_size(got: Any, x: Tensor) -> Tensor | None:
    """Return `got` with the size of `x`; None where it has another number of elements."""
    return got.reshape(x.shape) if isinstance(got, Tensor) and got.numel() == x.numel() else None


def check_layer(name: str, found: calls.Probe) -> Iterator[str]:
    """Check a module with one input: its derivatives by the input and by its parameters, and that these add up."""
    module, x = found.module, found.input
    kept = x.clone()
    output = calls.find_method(module, calls.FORWARD)(x)
    if not torch.equal(x, kept):
        yield "forward changes its input"
        x = kept
    if isinstance(output, Tensor) and output.requires_grad:
        raise WrongError("forward builds autograd's graph: this is what the project is about to do without")
    if not torch.equal(calls.run_forward(module, x), calls.run_forward(module, x)):
        raise UnknownError("its forward is random")
    if (function := EXACT.get(name.lower())) and not torch.allclose(found.output, function(x), atol=1e-6):
        yield f"its output is not that of torch.{function.__name__}"
    parameters = find_parameters(module, x)
    gradient = torch.randn_like(found.output)

    def get_sum() -> Tensor:
        return (calls.run_forward(module, x) * gradient).double().sum()

    precision = get_precision(found.output, *parameters.values())
    slopes = {path: measure(get_sum, tensor, precision) for path, tensor in parameters.items()}
    unused = {path: slope for path, slope in slopes.items() if slope.is_zero()}
    slopes = {path: slope for path, slope in slopes.items() if path not in unused}
    by_input = measure(get_sum, x, precision)

    calls.zero(module)
    calls.run_forward(module, x)
    before = {path: parameters[path].clone() for path in slopes}
    back = calls.run_backward(module, (gradient,), (x, gradient), (gradient, x))
    yield from check_input(module, back, x, by_input)
    check_unused(module, unused, parameters)
    found_at = yield from check_parameters(module, slopes, parameters, before)
    if found_at:
        yield from check_accumulation(module, x, gradient, found_at)


def find_parameters(module: Any, x: Tensor) -> dict[str, Tensor]:
    """Return the tensors that may be parameters, by path: all that are there before a backward, each storage once."""
    calls.run_forward(module, x)
    parameters: dict[int, tuple[str, Tensor]] = {}
    for path, tensor in calls.get_state(module).items():
        if tensor.numel() and 0 not in tensor.stride() and not path.endswith(".grad"):
            parameters.setdefault(tensor.untyped_storage().data_ptr(), (path, tensor))
    return dict(parameters.values())


def check_input(module: Any, back: Any, x: Tensor, slope: Slope) -> Iterator[str]:
    """Check what backward returns: the derivative by the input."""
    if not isinstance(back, Tensor):
        matches = [t for t in calls.get_state(module).values() if t.shape == x.shape and slope.agrees(t)]
        if not matches:
            yield "could not be compared: backward does not return the derivative with respect to the input"
        return
    sized = match_size(back, x)
    if sized is None:
        raise WrongError(f"backward returns a derivative of size {[*back.shape]} for an input of size {[*x.shape]}")
    if not slope.agrees(sized):
        raise WrongError(f"wrong derivative with respect to the input{explain(slope, sized)}")


def explain(slope: Slope, got: Tensor) -> str:
    """Return how a wrong derivative differs, where it is by a factor."""
    ratio = slope.find_ratio(got)
    return f" (about {ratio:.3g} times as large)" if ratio is not None and ratio else ""


def check_parameters(
    module: Any, slopes: dict[str, Slope], parameters: dict[str, Tensor], before: dict[str, Tensor]
) -> Generator[str, None, list[str]]:
    """Check the gradients after a backward; return the paths of those that were found."""
    state = calls.get_state(module)
    pairs = list(calls.find_pairs(calls.list_parameters(module)))
    scale, found_at = 0.0, []
    for path, slope in slopes.items():
        parameter = parameters[path]
        label = f"a parameter of size {[*parameter.shape]}"
        if not torch.equal(parameter, before[path]):
            ratio = slope.find_ratio(before[path] - parameter)
            if ratio is None or ratio <= 0:
                raise WrongError(f"backward changes {label}, but not along its gradient")
            continue
        candidates = list_candidates(parameter, state, pairs)
        fits = [(p, s) for p, t in candidates for s in (1.0, 1 / NB_SAMPLES) if slope.agrees(t, s)]
        fits = [fit for fit in fits if scale in (0.0, fit[1])]
        if fits:
            found_at.append(fits[0][0])
            scale = fits[0][1]
        elif changed := [t for _, t in candidates if t.abs().max() > 0]:
            raise WrongError(f"wrong gradient of {label}{explain(slope, changed[0])}")
        else:
            yield f"could not be compared: no gradient was found for {label}"
    if scale not in (0.0, 1.0):
        yield "the gradients are divided by the number of samples: leave this to the loss"
    yield from check_listed(module, slopes, parameters)
    return found_at


def check_unused(module: Any, slopes: dict[str, Slope], parameters: dict[str, Tensor]) -> None:
    """Check that what is paired with a tensor on which the output does not depend is zero."""
    for tensor, gradient in calls.find_pairs(calls.list_parameters(module)):
        for path, slope in slopes.items():
            if tensor is parameters[path] and gradient is not None and not slope.agrees(gradient):
                raise WrongError(f"its gradient of a parameter of size {[*tensor.shape]} is not that of its output")


def list_candidates(
    parameter: Tensor, state: dict[str, Tensor], pairs: Sequence[tuple[Tensor, Any]]
) -> list[tuple[str, Tensor]]:
    """Return what may be the gradient of `parameter`, by path: what it is paired with first."""
    own = [gradient for tensor, gradient in pairs if tensor.data_ptr() == parameter.data_ptr()]
    others = [(path, tensor) for path, tensor in state.items() if tensor.data_ptr() != parameter.data_ptr()]
    sized = [(path, tensor) for path, tensor in others if tensor.squeeze().shape == parameter.squeeze().shape]
    paired = [(path, tensor) for path, tensor in sized if any(tensor is each for each in own)]
    chosen = [*paired, *(each for each in sized if not any(each[1] is tensor for _, tensor in paired))]
    return [(path, tensor.reshape(parameter.shape)) for path, tensor in chosen]


def check_listed(module: Any, slopes: dict[str, Slope], parameters: dict[str, Tensor]) -> Iterator[str]:
    """Yield a note where the module's own list of parameters lacks one that has a gradient."""
    listed = {tensor.data_ptr() for _, tensor in calls.walk(calls.list_parameters(module))}
    lacking = [parameters[path] for path in slopes if parameters[path].data_ptr() not in listed]
    if listed and lacking:
        yield f"its list of parameters lacks a tensor of size {[*lacking[0].shape]}, which its output depends on"


def check_accumulation(module: Any, x: Tensor, gradient: Tensor, paths: Sequence[str]) -> Iterator[str]:
    """Check whether a second backward adds to the gradients at `paths`, and zero_grad forgets them."""

    def run() -> list[Tensor]:
        calls.run_forward(module, x)
        calls.run_backward(module, (gradient,), (x, gradient), (gradient, x))
        return take()

    def take() -> list[Tensor]:
        state = calls.get_state(module)
        return [state[path].clone() for path in paths if path in state]

    def are_close(these: Sequence[Tensor], those: Sequence[Tensor], times: float) -> list[bool]:
        pairs = zip(these, those, strict=True)
        return [torch.allclose(this, times * that, rtol=1e-3, atol=1e-5) for this, that in pairs]

    first = take()
    second = run()
    if len(second) != len(first) or any(are_close(second, first, 1)):
        yield "a second backward overwrites the gradients: the statement asks to add to them"
    elif not all(are_close(second, first, 2)):
        raise WrongError("after a second backward the gradients are neither the same nor twice as large")
    elif not calls.zero(module):
        yield "gradients add up, and no zero_grad was found in it that sets them to zero"
    elif len(third := run()) == len(first) and not all(are_close(third, first, 1)):
        raise WrongError("zero_grad leaves gradients that are not zero")
