"""Builds and calls the classes of a framework, whatever their design: the part of framework_check that knows designs.

A class may take its arguments in another order, call its methods by other names, keep its parameters as pairs, as a
list, as a dictionary or as attributes, work on rows, on columns or on single samples, and in float32 or float64.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor

FORWARD = ("forward", "forward_pass", "__call__", "loss", "compute", "apply")
BACKWARD = ("backward", "backward_pass", "backprop", "backpropagate", "dloss", "grad", "gradient", "derivative")
PARAMETERS = ("param", "params", "parameters", "get_params", "get_param", "get_parameters")
ZERO = ("zero_grad", "zero_grads", "zero_gradients", "zero_gradient", "zero_param", "reset_grad", "reset_gradients",
        "reset_gradient", "zero", "grad_zero")  # fmt: skip
STEP = ("step", "update", "update_params", "update_parameters", "update_param", "update_weights", "gradient_step",
        "sgd_step", "optimize", "gradient_descent")  # fmt: skip
ADD = ("add", "add_module", "add_layer", "append", "push")

RATE = re.compile(r"^(lr|eta|alpha|gamma|rate|step_?size|learning_?rate|l_?r)$", re.IGNORECASE)
SIZES = ((4, 3), (4, 2), (3, 4), (2, 4), (3,), (2,), (3, 1), (1, 3), (4, 5), (5, 4), (5,), (4, 3, 6, 6))
"""Of an input that a module with 3 inputs and 5 outputs, or a whole network with 2 inputs, may take."""
NB_SAMPLES = 4
LR = 0.01


class UnknownError(Exception):
    """One line: why a class could not be compared."""


class AutogradError(Exception):
    """A class uses autograd."""


def refuse_autograd() -> None:
    """Let every way to autograd's derivatives raise AutogradError in this process."""

    def refuse(*arguments: Any, **named: Any) -> None:
        raise AutogradError("it uses autograd, which the project is about to do without")

    functions: Any = torch.autograd
    functions.backward = functions.grad = refuse
    kind: Any = Tensor
    kind.backward = refuse


def find_method(thing: Any, names: Sequence[str]) -> Any:
    """Return the first method of `thing` (an instance or a class) that has one of `names`; None when it has none."""
    for name in names:
        if callable(method := getattr(thing, name, None)) and not (name == "__call__" and isinstance(thing, type)):
            return method
    if isinstance(thing, type) and "__call__" in names and any("__call__" in vars(base) for base in thing.__mro__):
        return vars(next(base for base in thing.__mro__ if "__call__" in vars(base)))["__call__"]
    return None


def list_arguments(function: Any) -> list[inspect.Parameter]:
    """Return the parameters of `function` without self; none where Python does not know them."""
    with suppress(TypeError, ValueError):
        return list(inspect.signature(function).parameters.values())
    return []


def count_required(function: Any) -> int:
    """Return how many arguments `function` insists on."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(each.kind in kinds and each.default is each.empty for each in list_arguments(function))


def slope(x: Tensor) -> Tensor:
    """Return the derivative of tanh, for a class that is given a function and its derivative."""
    return 1 - torch.tanh(x) ** 2


def fill(kind: type, first: Sequence[Any]) -> list[Any]:
    """Return arguments for `kind`: `first`, and what the names of the others that it insists on ask for."""
    needed = [each.name for each in list_arguments(kind) if each.default is each.empty][len(first) :]
    values = {"prime": slope, "deriv": slope, "grad": slope, "activ": torch.tanh, "func": torch.tanh,
              "batch": NB_SAMPLES, "bias": True, "std": 0.1, "eps": 0.1, "seed": 0}  # fmt: skip
    more = [LR if RATE.match(name) else next((values[key] for key in values if key in name), None) for name in needed]
    return [*first, *more]


def build(kind: type) -> Iterator[Any]:
    """Yield instances of a module for 3 inputs and 5 outputs, of an activation, or of a whole network."""
    for first in ((), (3, 5)):
        for arguments in (first, fill(kind, first)):
            torch.manual_seed(0)
            try:
                instance = kind(*arguments)
            except NotImplementedError:
                raise
            except (TypeError, ValueError, AttributeError, IndexError, RuntimeError):
                continue
            yield instance


def build_container(kind: type, modules: list[Any]) -> Iterator[Any]:
    """Yield instances of `kind` that hold `modules`, however it takes them."""
    for arguments in (modules, [modules], [tuple(modules)]):
        with suppress(TypeError, AttributeError, ValueError, IndexError):
            yield kind(*arguments)
    with suppress(TypeError, AttributeError, ValueError):
        instance = kind()
        for name in ADD:
            if callable(add := getattr(instance, name, None)):
                for module in modules:
                    add(module)
                yield instance
                return


def run_forward(module: Any, *inputs: Tensor) -> Any:
    """Return what `module` makes of copies of `inputs`: it may keep or change them."""
    return find_method(module, FORWARD)(*(each.clone() for each in inputs))


def run_backward(module: Any, *choices: Sequence[Any]) -> Any:
    """Return what backward gives for the first of `choices`, lists of arguments, that it takes; raise UnknownError."""
    backward = find_method(module, BACKWARD)
    reason = ""
    for arguments in choices:
        rates = [LR for each in list_arguments(backward)[len(arguments) :] if RATE.match(each.name)]
        for given in ([*arguments, *rates], arguments):
            try:
                return backward(*(each.clone() if isinstance(each, Tensor) else each for each in given))
            except NotImplementedError:
                raise
            except (TypeError, ValueError, IndexError) as error:
                reason = reason or f"backward: {type(error).__name__}: {first_line(error)}"
            except RuntimeError as error:
                if "does not require grad" in str(error):
                    raise AutogradError("it uses autograd, which the project is about to do without") from error
                reason = reason or f"backward: {first_line(error)}"
    raise UnknownError(reason)


def zero(module: Any) -> bool:
    """Set the gradients to zero as the student does it; False when no way is found."""
    method = find_method(module, ZERO)
    if method is None or count_required(method):
        return False
    method()
    return True


@dataclass
class Probe:
    """A module with an input that it takes, and whether both compute in float32."""

    module: Any
    input: Tensor
    output: Tensor


def probe(instances: Callable[[], Iterator[Any]]) -> Probe:
    """Return the first instance and input that go together; raise UnknownError, or what every try raised last."""
    reason: Exception = UnknownError("it takes other arguments")
    for dtype in (torch.float64, torch.float32):
        torch.set_default_dtype(dtype)
        for module in instances():
            for size in SIZES:
                x = torch.randn(size)
                x += 0.2 * x.sign()  # away from the kink of ReLU
                try:
                    output = run_forward(module, x)
                except (NotImplementedError, AutogradError):
                    raise
                except Exception as error:
                    reason = UnknownError(f"forward: {type(error).__name__}: {first_line(error)}")
                    continue
                if isinstance(output, Tensor) and output.is_floating_point():
                    return Probe(module, x, output.clone())
                reason = UnknownError(f"forward gives a {type(output).__name__} instead of a tensor")
    raise reason


def walk(value: Any, path: str = "", depth: int = 6, seen: set[int] | None = None) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of floats that can be reached from `value`, each with its path."""
    seen = set() if seen is None else seen
    plain = str | int | float | type | ModuleType | FunctionType | MethodType | BuiltinFunctionType | torch.Generator
    if value is None or isinstance(value, plain) or depth < 0:
        return
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield path, value
        if value.is_leaf and isinstance(value.grad, Tensor):
            yield f"{path}.grad", value.grad
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, dict):
        members = [(f"{path}[{key!r}]", each) for key, each in value.items()]
    elif isinstance(value, list | tuple | set):
        members = [(f"{path}[{number}]", each) for number, each in enumerate(value)]
    else:
        members = [(f"{path}.{name}", each) for name, each in getattr(value, "__dict__", {}).items()]
    for place, each in members:
        yield from walk(each, place, depth - 1, seen)


def list_parameters(module: Any) -> Any:
    """Return what the module says its parameters are, as a list or a dictionary; None when it does not say."""
    method = find_method(module, PARAMETERS)
    value = method() if method is not None and not count_required(method) else None
    return value if value is None or isinstance(value, dict) else list(value)


def find_pairs(value: Any) -> Iterator[tuple[Tensor, Any]]:
    """Yield the pairs (parameter, gradient) in what `list_parameters` gives."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        if len(value) == 2 and isinstance(value[0], Tensor) and (value[1] is None or is_like(value[1], value[0])):
            yield value[0], value[1]
        else:
            for each in value:
                yield from find_pairs(each)


def is_like(tensor: Any, other: Tensor) -> bool:
    """Return whether `tensor` is one of the same size as `other`."""
    return isinstance(tensor, Tensor) and tensor.shape == other.shape


def get_state(module: Any) -> dict[str, Tensor]:
    """Return the tensors of a module by path: its attributes, and what it gives as parameters."""
    state = dict(walk(module))
    with suppress(Exception):
        state |= {f"param(){path}": tensor for path, tensor in walk(list_parameters(module))}
    return state


def first_line(error: BaseException) -> str:
    """Return the first line of what `error` says."""
    return (str(error).splitlines() or [""])[0][:100]
