"""Checks the classes of a framework project against autograd: what a grader would try, run by `course-submit`.

`main` in the project's folder imports the files that define the classes, and notes
what it found for course_tools.submit.cli: ok, problem or note, one line each. It is kind to another design (batches or
single samples, `Sequential(a, b)` or `Sequential([a, b])`, mean or sum in the loss) and strict with derivatives.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from course_tools.submit.project_sources import list_classes
from course_tools.submit.submission import TEST

REQUIRED = ("Linear", "ReLU", "Tanh", "Sequential", "LossMSE")
METHODS = ("forward", "backward", "param")
TOLERANCE = 1e-3  # of float32, relative

Found = Iterator[tuple[str, str]]


class WrongError(Exception):
    """One line: what is wrong with a class."""


class UnknownError(Exception):
    """One line: why a class could not be checked."""


def load_classes(folder: Path) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the classes below `folder` by name, and what was found while importing their files."""
    places: dict[str, PurePosixPath] = {}
    for name, path in list_classes(folder):
        if path.name == TEST:
            continue  # it would train
        if name not in places or len(path.parts) < len(places[name].parts):
            places[name] = path
    in_test = {name for name, path in list_classes(folder) if path.name == TEST} - set(places)
    found = [("note", f"{name} is defined in {TEST}: put it into a file of its own to have it checked") for name in
             REQUIRED if name in in_test]  # fmt: skip
    classes: dict[str, Any] = {}
    for path in sorted({places[name] for name in REQUIRED if name in places}):
        try:
            module = importlib.import_module(".".join(path.with_suffix("").parts))
        except (Exception, SystemExit) as error:
            found.append(("problem", f"{path} cannot be imported: {type(error).__name__}: {first_line(error)}"))
            continue
        classes.update({name: getattr(module, name) for name, where in places.items() if where == path})
    missing = [name for name in REQUIRED if name not in places and name not in in_test]
    if missing:
        found.append(("problem", f"no class {', '.join(missing)}"))
    return classes, found


def check(classes: dict[str, Any]) -> Found:
    """Check everything about the classes that are there."""
    checks: dict[str, Callable[[dict[str, Any]], Iterable[str] | None]] = {
        "Linear": check_linear,
        "ReLU": lambda classes: check_activation(classes["ReLU"], torch.relu),
        "Tanh": lambda classes: check_activation(classes["Tanh"], torch.tanh),
        "LossMSE": check_loss,
        "Sequential": check_sequential,
        "SGD": check_sgd,
    }
    for name, act in checks.items():
        if name not in classes:
            continue
        lacking = [method for method in METHODS if not callable(getattr(classes[name], method, None))]
        if name in REQUIRED and lacking:
            yield "problem", f"{name} has no {', '.join(lacking)}"
            continue
        torch.manual_seed(0)
        torch.set_grad_enabled(False)
        try:
            notes = list(act(classes) or ())
        except NotImplementedError:
            yield "problem", f"{name}: not done yet"
        except WrongError as error:
            yield "problem", f"{name}: {error}"
        except UnknownError as error:
            yield "note", f"{name}: not checked, {error}"
        except (Exception, SystemExit) as error:
            yield "problem", f"{name}: {type(error).__name__}: {first_line(error)}"
        else:
            yield "ok", name
            yield from (("note", f"{name}: {note}") for note in notes)


def check_linear(classes: dict[str, Any]) -> Iterator[str]:
    """Check forward, backward, param() and whether gradients add up, for 3 inputs and 5 outputs."""
    module = build(classes["Linear"], 3, 5)
    x, gradient = torch.randn(4, 3), torch.randn(4, 5)
    (weight, _), (bias, _) = split_parameters(module)
    matrix = weight if weight.shape == (5, 3) else weight.t()
    if (problem := compare(run_forward(module, x), x @ matrix.t() + bias.view(1, -1))) is not None:
        raise WrongError(f"forward is not x W^T + b with its own parameters ({problem})")
    zero(module, classes)
    back = module.backward(gradient)
    if (problem := compare(back, gradient @ matrix)) is not None:
        raise WrongError(f"backward returns a wrong derivative with respect to the input ({problem})")
    (weight, first_weight), (bias, first_bias) = ((p, g.clone()) for p, g in split_parameters(module))
    expected = gradient.t() @ x if weight.shape == (5, 3) else x.t() @ gradient
    scale = find_scale(first_weight, expected, (1.0, 1 / 4))
    if scale is None:
        raise WrongError(f"wrong gradient of the weights ({compare(first_weight, expected)})")
    if (problem := compare(first_bias, gradient.sum(0).view_as(first_bias) * scale)) is not None:
        raise WrongError(f"wrong gradient of the bias ({problem})")
    if scale != 1:
        yield "the gradients are divided by the number of samples: leave this to the loss"
    yield from check_accumulation(module, classes, x, gradient, first_weight)


def check_accumulation(
    module: Any, classes: dict[str, Any], x: Tensor, gradient: Tensor, first: Tensor
) -> Iterator[str]:
    """Yield a second backward adds to the gradients, and something sets them to zero again."""
    module.forward(x)
    module.backward(gradient)
    second = split_parameters(module)[0][1]
    if compare(second, first) is None:
        yield "a second backward overwrites the gradients: the statement asks to add to them"
    elif compare(second, 2 * first) is not None:
        raise WrongError("after a second backward the gradients are neither the same nor twice as large")
    elif not zero(module, classes):
        yield "gradients add up, and no zero_grad was found that sets them to zero"
    elif split_parameters(module)[0][1].abs().max() > 0:
        raise WrongError("zero_grad leaves gradients that are not zero")


def check_activation(kind: Any, function: Callable[[Tensor], Tensor]) -> None:
    """Check an elementwise module."""
    module = build(kind)
    x, gradient = torch.randn(4, 3), torch.randn(4, 3)
    kept = x.clone()
    output, expected_back = differentiate(function, x, gradient)
    if (problem := compare(run_forward(module, x), output)) is not None:
        raise WrongError(f"wrong output of forward ({problem})")
    if not torch.equal(x, kept):
        raise WrongError("forward changes its input")
    if (problem := compare(module.backward(gradient), expected_back)) is not None:
        raise WrongError(f"wrong derivative ({problem})")
    if list(module.param()):
        raise WrongError("param() of a module without parameters is not empty")


def check_loss(classes: dict[str, Any]) -> None:
    """Check that the loss and its derivative agree, whatever it is divided by."""
    output, target = torch.randn(4, 2), torch.randn(4, 2)
    loss = build(classes["LossMSE"])
    value = torch.as_tensor(loss.forward(output, target)).float()
    if value.numel() != 1:
        raise WrongError(f"forward gives {value.numel()} numbers instead of one")
    scale = find_scale(value.view(()), ((output - target) ** 2).sum(), (1.0, 1 / 2, 1 / 4, 1 / 8, 1 / 16))
    if scale is None:
        raise WrongError("forward is not the sum or the mean of (output - target)^2")
    back = call_backward(loss, output, target)
    if compare(back, 2 * (output - target) * scale) is not None:
        ratio = (back / (2 * (output - target) * scale)).mean().item() if back.shape == output.shape else float("nan")
        raise WrongError(f"backward is not the derivative of forward (about {ratio:.3g} times as large)")


def check_sequential(classes: dict[str, Any]) -> None:
    """Check a small network against autograd: output, derivative with respect to the input, every gradient."""
    if any(name not in classes for name in ("Linear", "ReLU", "Tanh")):
        raise UnknownError("it takes Linear, ReLU and Tanh")
    first, second = build(classes["Linear"], 3, 5), build(classes["Linear"], 5, 2)
    modules = [first, build(classes["ReLU"]), second, build(classes["Tanh"])]
    model = build_sequential(classes["Sequential"], modules)
    x, gradient = torch.randn(4, 3), torch.randn(4, 2)
    pairs = [pair for module in (first, second) for pair in split_parameters(module)]
    if len(list(model.param())) != len(pairs):
        raise WrongError(f"param() has {len(list(model.param()))} pairs, its modules have {len(pairs)}")
    parameters = [parameter for parameter, _ in pairs]

    def network(x: Tensor, *parameters: Tensor) -> Tensor:
        w1, b1, w2, b2 = parameters
        hidden = (x @ (w1.t() if w1.shape == (5, 3) else w1) + b1.view(1, -1)).relu()
        return (hidden @ (w2.t() if w2.shape == (2, 5) else w2) + b2.view(1, -1)).tanh()

    output, *expected = differentiate(network, x, gradient, *parameters)
    if (problem := compare(run_forward(model, x), output)) is not None:
        raise WrongError(f"forward is not its modules one after the other ({problem})")
    zero(model, classes)
    if (problem := compare(model.backward(gradient), expected[0])) is not None:
        raise WrongError(f"backward returns a wrong derivative with respect to the input ({problem})")
    after = [pair[1] for module in (first, second) for pair in split_parameters(module)]
    for got, right in zip(after, expected[1:], strict=True):
        if find_scale(got, right.view_as(got), (1.0, 1 / 4)) is None:
            raise WrongError("backward leaves wrong gradients in its modules")


def check_sgd(classes: dict[str, Any]) -> None:
    """Check that one step is p - lr * gradient."""
    if "Linear" not in classes:
        raise UnknownError("it takes Linear")
    module = build(classes["Linear"], 3, 5)
    optimizer = build_optimizer(classes["SGD"], module)
    if not callable(getattr(optimizer, "step", None)):
        raise UnknownError("it has no step()")
    module.forward(torch.randn(4, 3))
    module.backward(torch.randn(4, 5))
    before = [(parameter.clone(), gradient.clone()) for parameter, gradient in split_parameters(module)]
    optimizer.step()
    for (parameter, _), (old, gradient) in zip(split_parameters(module), before, strict=True):
        if (problem := compare(parameter, old - 0.1 * gradient)) is not None:
            raise WrongError(f"step() is not p - lr * gradient ({problem})")


def build(kind: Any, *arguments: Any) -> Any:
    """Return an instance; raise UnknownError when its signature is another one."""
    try:
        return kind(*arguments)
    except TypeError as error:
        shown = ", ".join(map(str, arguments))
        raise UnknownError(f"{kind.__name__}({shown}) fails: {first_line(error)}") from error


def build_sequential(kind: Any, modules: list[Any]) -> Any:
    """Return a Sequential of `modules`, however it takes them."""
    for arguments in (modules, [modules], [tuple(modules)]):
        with suppress(TypeError, AttributeError):
            model = kind(*arguments)
            list(model.param())
            return model
    raise UnknownError("it takes its modules neither as arguments nor as a list")


def build_optimizer(kind: Any, module: Any) -> Any:
    """Return an SGD with step 0.1 for `module`, however it takes them."""
    for arguments in ((module.param(), 0.1), (module, 0.1), (0.1, module.param()), (0.1, module)):
        with suppress(TypeError, AttributeError, ValueError):
            return kind(*arguments)
    raise UnknownError("it takes neither (parameters, lr) nor (module, lr)")


def run_forward(module: Any, x: Tensor) -> Tensor:
    """Return the module's output for a batch; raise WrongError when it is no tensor."""
    output = module.forward(x)
    if not isinstance(output, Tensor):
        raise WrongError(f"forward returns a {type(output).__name__} instead of a tensor")
    if output.requires_grad:
        raise WrongError("forward builds autograd's graph: this is what the project is about to do without")
    return output


def call_backward(loss: Any, output: Tensor, target: Tensor) -> Tensor:
    """Return the derivative of the loss, however backward is called."""
    for arguments in ((), (output, target), (torch.ones(()),)):
        with suppress(TypeError, ValueError, IndexError):
            back = loss.backward(*arguments)
            if isinstance(back, Tensor):
                return back
    raise WrongError("neither backward() nor backward(output, target) returns a tensor")


def split_parameters(module: Any) -> list[tuple[Tensor, Tensor]]:
    """Return the pairs of a Linear, its weights first; raise WrongError when param() gives something else."""
    pairs = list(module.param())
    for pair in pairs:
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            raise WrongError("param() does not give pairs (parameter, gradient)")
        if not all(isinstance(tensor, Tensor) for tensor in pair):
            kinds = ", ".join(type(tensor).__name__ for tensor in pair)
            raise WrongError(f"param() gives pairs ({kinds}): both must be tensors, from the beginning")
        if pair[0].shape != pair[1].shape:
            raise WrongError(f"a parameter of size {[*pair[0].shape]} has a gradient of size {[*pair[1].shape]}")
    pairs = sorted(pairs, key=lambda pair: -pair[0].numel())
    if len(pairs) != 2:
        raise WrongError(f"param() gives {len(pairs)} pairs: the weights and the bias are expected")
    return [(pair[0], pair[1]) for pair in pairs]


def zero(module: Any, classes: dict[str, Any]) -> bool:
    """Set the gradients to zero as the student does it; False (and set to zero here) when no way is found."""
    for name in ("zero_grad", "zero_gradients", "zero_gradient", "zero_param", "reset_grad", "zero"):
        if callable(method := getattr(module, name, None)):
            method()
            return True
    if "SGD" in classes:
        with suppress(UnknownError, NotImplementedError):
            optimizer = build_optimizer(classes["SGD"], module)
            if callable(method := getattr(optimizer, "zero_grad", None)):
                method()
                return True
    for _, gradient in module.param():
        gradient.zero_()
    return False


def differentiate(function: Callable[..., Tensor], x: Tensor, gradient: Tensor, *others: Tensor) -> list[Tensor]:
    """Return the output of `function`, and autograd's derivatives of sum(gradient * output) by x and others."""
    with torch.enable_grad():
        leaves = [tensor.detach().clone().requires_grad_() for tensor in (x, *others)]
        output = function(*leaves)
        return [output.detach(), *torch.autograd.grad((output * gradient).sum(), leaves)]


def find_scale(got: Tensor, expected: Tensor, scales: Iterable[float]) -> float | None:
    """Return by which of `scales` the expected values are to be multiplied."""
    return next((scale for scale in scales if compare(got, expected * scale) is None), None)


def compare(got: Any, expected: Tensor) -> str | None:
    """Return None when they agree, else how they differ."""
    if not isinstance(got, Tensor):
        return f"it is a {type(got).__name__}, not a tensor"
    if got.shape != expected.shape:
        return f"size {[*got.shape]} instead of {[*expected.shape]}"
    difference = (got.double() - expected.double()).abs().max().item()
    if difference <= TOLERANCE * max(1.0, expected.abs().max().item()):
        return None
    return f"differs by up to {difference:.2g}"


def first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:100]


def main() -> None:
    """Check the framework in the current folder, and note the findings where course-submit reads them."""
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    sys.path.insert(0, "")  # before the package's own folder
    classes, found = load_classes(Path())
    found += check(classes)
    file = os.environ.get("COURSE_SUBMIT_RECORD")
    with open(file, "a") if file else sys.stdout as out:  # noqa: PTH123
        for kind, text in [*found, ("ok", "end")]:
            print(f"{kind}\t{text.encode('unicode_escape').decode()}", file=out)
    sys.stdout.flush()
    os._exit(0)  # threads that a module started would keep the process


if __name__ == "__main__":
    main()
