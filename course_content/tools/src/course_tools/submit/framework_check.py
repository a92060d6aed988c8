"""Checks the classes of a framework by what they do: what a grader would try, run by `course-submit`.

`main` in the project's folder imports the files that define the classes, and notes what it found for
course_tools.submit.cli: ok, problem or note, one line each. A derivative that is wrong, and autograd, are problems. The
names and the design are the students' own: what cannot be compared is a note.
"""

import ast
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from course_tools.submit import framework_calls as calls
from course_tools.submit.framework_calls import AutogradError, UnknownError, first_line
from course_tools.submit.framework_compare import WrongError, check_layer
from course_tools.submit.framework_learn import NB_CLASSES, Loss, check_loss, check_optimizer, check_training
from course_tools.submit.submission import TEST

SUGGESTED = ("Linear", "ReLU", "Tanh", "Sequential", "LossMSE", "SGD")
"""The names in the statement."""
SUGGESTS = "the statement suggests these names"

LAYER, LOSS, CONTAINER, OPTIMIZER = "layer", "loss", "container", "optimizer"
ORDER = (LAYER, LOSS, CONTAINER, OPTIMIZER)
NAMED = {"sequential": CONTAINER, "container": CONTAINER, "loss": LOSS, "mse": LOSS, "cross": LOSS, "criterion": LOSS}

Found = Iterator[tuple[str, str]]


def load_classes(folder: Path, names: Sequence[str]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the classes that the files `names` of `folder` define, and what was found while importing them."""
    found: list[tuple[str, str]] = []
    classes: dict[str, Any] = {}
    for name in sorted(names, key=lambda name: (name.count("/"), name)):
        with suppress(SyntaxError, ValueError, OSError, RecursionError):
            tree = ast.parse((folder / name).read_text(encoding="utf-8"))
            mine = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
            if not mine:
                continue
            try:
                module = load_definitions(tree) if name == TEST else load_module(name)
            except (Exception, SystemExit) as error:
                found.append(("note", f"{name} could not be compared: {type(error).__name__}: {first_line(error)}"))
                continue
            for each in mine:
                if isinstance(kind := getattr(module, each, None), type):
                    classes.setdefault(each, kind)
    return classes, found


def load_module(name: str) -> ModuleType:
    """Return the module of a file; raise what it raises."""
    return importlib.import_module(".".join(Path(name).with_suffix("").parts))


def load_definitions(tree: ast.Module) -> ModuleType:
    """Return a module with the imports, functions, classes and plain values of a program, and nothing that it does."""
    body: list[ast.stmt] = []
    for node in tree.body:
        calls_nothing = not any(isinstance(part, ast.Call) for part in ast.walk(node))
        is_value = isinstance(node, ast.Assign | ast.AnnAssign) and calls_nothing
        if is_value or isinstance(node, ast.Import | ast.ImportFrom | ast.ClassDef | ast.FunctionDef):
            body.append(node)
    module = ModuleType("test_definitions")
    exec(compile(ast.Module(body, []), TEST, "exec"), vars(module))
    return module


@dataclass
class Bench:
    """The classes, and what was found to work so far: layers by name, a loss, a network and how it learns."""

    classes: dict[str, Any]
    layers: dict[str, calls.Probe] = field(default_factory=dict)
    loss: Loss | None = None
    network: Callable[[], calls.Probe] | None = None
    optimizer: type | None = None


def check(classes: dict[str, Any]) -> Found:
    """Check each class in its role: first the layers, of which the others are made or on which they work."""
    roles = {name: guess_role(kind) for name, kind in classes.items() if not is_base(kind, classes)}
    bench = Bench(classes)
    for role in ORDER:
        for name in [name for name, its in roles.items() if its == role]:
            yield from judge(name, lambda: run_check(role, name, bench))  # noqa: B023
    if not any(role == LAYER for role in roles.values()):
        yield "note", f"could not be compared: no class with forward and backward was found in what {TEST} runs"
        return
    yield from judge("training", lambda: run_training(bench))
    missing = [name for name in SUGGESTED if name not in classes]
    if missing:
        yield "note", f"no class is called {', '.join(missing)}: {SUGGESTS}"


def is_base(kind: type, classes: dict[str, Any]) -> bool:
    """Return whether other classes are derived from this one."""
    return any(kind in other.__mro__[1:] for other in classes.values())


def guess_role(kind: type) -> str:
    """Return what a class is for, by its methods and its arguments; "" for something else."""
    if kind.__name__ == "SGD":
        return OPTIMIZER
    forward, backward = calls.find_method(kind, calls.FORWARD), calls.find_method(kind, calls.BACKWARD)
    if backward is None or forward is None:
        return OPTIMIZER if calls.find_method(kind, calls.STEP) and backward is None else ""
    for word, role in NAMED.items():
        if word in kind.__name__.lower():
            return role
    arguments = calls.list_arguments(kind)
    if any(each.kind == each.VAR_POSITIONAL for each in arguments):
        return CONTAINER
    if any(callable(getattr(kind, name, None)) for name in calls.ADD):
        return CONTAINER
    if len(arguments) == 1 and any(word in arguments[0].name for word in ("modules", "layers", "module")):
        return CONTAINER
    return LOSS if len(calls.list_arguments(forward)) == 3 else LAYER  # self and two more


def judge(name: str, act: Callable[[], Iterable[str] | None]) -> Found:
    """Run one check; yield what it found as problem, note or ok."""
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    notes: list[str] = []
    try:
        for note in act() or ():
            notes.append(note)  # those before an error count
    except NotImplementedError:
        yield "problem" if name in SUGGESTED else "note", f"{name}: not done yet"
    except (WrongError, AutogradError) as error:
        yield "problem", f"{name}: {error}"
    except UnknownError as error:
        yield "note", f"{name} could not be compared: {error}"
    except (Exception, SystemExit) as error:
        yield "note", f"{name} could not be compared: {type(error).__name__}: {first_line(error)}"
    else:
        yield "ok", name
    yield from (("note", f"{name}: {note}") for note in notes)


def run_check(role: str, name: str, bench: Bench) -> Iterator[str]:
    """Check the class `name`; what works is noted in `bench`."""
    kind = bench.classes[name]
    if issubclass(kind, torch.nn.Module | torch.autograd.Function):
        raise WrongError("it is derived from a class of torch, whose autograd the project is about to do without")
    if role == LAYER:
        bench.layers[name] = calls.probe(lambda: calls.build(kind))
        yield from check_layer(name, bench.layers[name])
    elif role == LOSS:
        bench.loss = yield from check_loss(kind)
    elif role == CONTAINER:
        yield from check_container(name, kind, bench)
    else:
        weighted = [each for each in bench.layers.values() if each.output.shape != each.input.shape]
        if not weighted:
            raise UnknownError("no module with parameters was found")
        yield from check_optimizer(kind, weighted[0])
        bench.optimizer = kind


def run_training(bench: Bench) -> None:
    """Let a small network learn; raise UnknownError where no network, no loss or no way to make steps was found."""
    if not bench.network or not bench.loss:
        raise UnknownError("no network and no loss were found that go together")
    found = bench.network()
    if not bench.optimizer and not calls.find_method(found.module, calls.STEP):
        raise UnknownError("neither an optimizer nor a network that updates itself was found")
    check_training(found.module, found.input, bench.loss, bench.optimizer)


def make_network(kind: type, bench: Bench) -> tuple[calls.Probe, list[Any]]:
    """Return a network of class `kind` with two layers, and its modules; raise UnknownError when there are none."""
    layers = bench.layers.items()
    weighted = [n for n, each in layers if each.output.shape != each.input.shape]
    linear = [n for n in weighted if calls.count_required(bench.classes[n])]
    if not linear:
        raise UnknownError("no module like Linear was found to put into it")
    activations = [bench.classes[n] for n, each in layers if each.output.shape == each.input.shape][:2]
    modules: list[Any] = []

    def build() -> Iterator[Any]:
        torch.manual_seed(0)
        modules[:] = [make_linear(bench.classes[linear[0]], 3, 5)]
        modules.extend(activation(*calls.fill(activation, ())) for activation in activations[:1])
        modules.append(make_linear(bench.classes[linear[0]], 5, NB_CLASSES))
        modules.extend(activation(*calls.fill(activation, ())) for activation in activations[1:])
        yield from calls.build_container(kind, modules)

    return calls.probe(build), modules


def make_linear(kind: type, nb_inputs: int, nb_outputs: int) -> Any:
    """Return a module like Linear."""
    return kind(*calls.fill(kind, (nb_inputs, nb_outputs)))


def check_container(name: str, kind: type, bench: Bench) -> Iterator[str]:
    """Check a network of the students' layers: its derivatives, and that it lists the parameters of all of them."""
    found, modules = make_network(kind, bench)
    own = len(list(calls.walk(calls.list_parameters(found.module))))
    theirs = sum(len(list(calls.walk(calls.list_parameters(module)))) for module in modules)
    if own < theirs and own:
        raise WrongError(f"its list of parameters has {own} tensors, those of its modules have {theirs}")
    yield from check_layer(name, found)
    bench.network = lambda: make_network(kind, bench)[0]


def main() -> None:
    """Check the framework of the files named, for course-submit, whose record gets the findings."""
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    sys.path.insert(0, "")  # before the package's own folder
    calls.refuse_autograd()
    classes, found = load_classes(Path(), sys.argv[2:])
    found += check(classes)
    file = os.environ.get("COURSE_SUBMIT_RECORD")
    with open(file, "a") if file else sys.stdout as out:  # noqa: PTH123
        for kind, text in [*found, ("ok", "end")]:
            print(f"{kind}\t{text.encode('unicode_escape').decode()}", file=out)
    sys.stdout.flush()
    os._exit(0)  # threads that a module started would keep the process


if __name__ == "__main__":
    main()
