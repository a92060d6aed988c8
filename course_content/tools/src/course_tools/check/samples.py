"""Gives the student's code samples of the check's own, however it loads them and whatever it calls them."""

import ast
import dis
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import CodeType, ModuleType
from typing import Any
from unittest.mock import patch

from torch import Tensor
from torch.utils.data import Dataset

from course_tools.check.checking import Student
from course_tools.check.student_code import last_name

TARGETS = re.compile(r"targ|label|class|^y|_y|^t$", re.IGNORECASE)
"""Names of targets; other data are the samples."""
OUTSIDE = re.compile(r"^open$|input$|download|url|fetch|^load$|^system$|^run$")
"""Calls that are not made for the student's data: of files, networks, programs and people."""

LOADERS = ("load_data", "read_cifar")
"""Functions of the prologue."""
KNOWN = ("train_input", "train_target")
"""Names of the statement, which every program may use."""


class Pictures(Dataset[tuple[Tensor, int]]):  # type: ignore[misc]
    """What torchvision.datasets.CIFAR10 gives, of the check's samples (N x 3 x 32 x 32) and their targets (N)."""

    def __init__(self, input: Tensor, target: Tensor) -> None:
        self.input, self.targets = input, target.tolist()
        scaled = (255 * (input - input.min()) / (input.max() - input.min())).byte()
        self.data = scaled.permute(0, 2, 3, 1).numpy()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.input[index], self.targets[index]


@contextmanager
def given(student: Student, name: str, input: Tensor, target: Tensor) -> Iterator[None]:
    """Let the student's function `name` find the samples `input` and `target` wherever it looks for its own."""
    import dlc_practical_prologue as prologue

    def load(*_: Any, **__: Any) -> tuple[Tensor, ...]:
        return input, target, input, target

    def make_pictures(*_: Any, **__: Any) -> Pictures:
        return Pictures(input, target)

    fakes = {getattr(prologue, loader, None): load for loader in LOADERS}
    modules: list[tuple[ModuleType, str, Any]] = [(prologue, loader, load) for loader in LOADERS]
    if datasets := sys.modules.get("torchvision.datasets"):
        fakes[datasets.CIFAR10] = make_pictures
        modules.append((datasets, "CIFAR10", make_pictures))
    before = dict(student.namespace)
    with ExitStack() as stack:
        for module, attribute, fake in modules:
            stack.enter_context(patch.object(module, attribute, fake, create=True))
        for own, value in before.items():
            if callable(value) and not isinstance(value, ModuleType) and is_hashable(value) and value in fakes:
                student.namespace[own] = fakes[value]
        for missing in list_missing(student, name):
            supply(student, missing, input, target)
        try:
            yield
        finally:
            for own in [*student.namespace]:
                if own not in before:
                    del student.namespace[own]
            student.namespace.update(before)


def is_hashable(value: object) -> bool:
    """Return whether `value` can be looked up in a dictionary."""
    return getattr(type(value), "__hash__", None) is not None


def list_missing(student: Student, name: str) -> list[str]:
    """Return the names that `name`, or what of the file it uses, reads at module level, but that nothing defined."""
    names, missing = [name], []
    for one in names:  # it grows while it is gone through
        value = student.namespace.get(one)
        if code := getattr(value, "__code__", None):
            names += [read for read in list_globals(code) if read not in names]
        elif one not in student.namespace and (one in student.selection.left_out or one in KNOWN):
            missing.append(one)
    return missing


def list_globals(code: CodeType) -> Iterator[str]:
    """Yield the names that a function reads at module level, its inner functions included."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from list_globals(constant)


def supply(student: Student, name: str, input: Tensor, target: Tensor, depth: int = 5) -> None:
    """Put `name` into the student's namespace: what its assignment makes of the samples, or what its name says."""
    if name in student.namespace or not (name in student.selection.left_out or name in KNOWN):
        return
    for statement in list_assignments(student, name):
        for node in ast.walk(statement):
            if depth and isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id != name:
                supply(student, node.id, input, target, depth - 1)
        if any(isinstance(node, ast.Call) and is_outside(node) for node in ast.walk(statement)):
            continue
        tree = ast.Module([statement], type_ignores=[])
        with suppress(Exception, SystemExit):
            exec(compile(tree, str(student.code.path), "exec"), student.namespace)
    if student.namespace.get(name) is None:
        student.namespace[name] = target if TARGETS.search(name) else input


def is_outside(call: ast.Call) -> bool:
    """Return whether a call leaves the program; torch.load does, prologue.load_data does not."""
    return bool(OUTSIDE.search(last_name(call.func)))


def list_assignments(student: Student, name: str) -> list[ast.stmt]:
    """Return the assignments to `name` outside of functions, in their order."""
    found: list[ast.stmt] = []
    pending: list[ast.AST] = [*student.code.body]
    for node in pending:  # it grows while it is gone through
        if isinstance(node, ast.Assign | ast.AnnAssign):
            if any(isinstance(part, ast.Name) and part.id == name for part in list_targets(node)):
                found.append(node)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            pending += ast.iter_child_nodes(node)
    return sorted(found, key=lambda statement: statement.lineno)


def list_targets(statement: ast.Assign | ast.AnnAssign) -> Iterator[ast.AST]:
    """Yield the parts of the left side of an assignment."""
    for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
        yield from ast.walk(target)
