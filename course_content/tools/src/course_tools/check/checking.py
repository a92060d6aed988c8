"""What the checks of `course-check` are written with; see practical_1.py for an example.

A check is a generator of lines, one for each thing that is wrong:

    @check("mul_row_fast")
    def keeps_the_shape(student: Student) -> Iterator[str]:
        m = torch.full((4, 8), 2.0)
        with student.intact("mul_row_fast", m=m):
            result = student.tensor("mul_row_fast", student.call("mul_row_fast", m), (4, 8))
        if not (result[1] == 4).all():
            yield "mul_row_fast: of a 4 x 8 matrix of 2, row 1 should be 4"

What is worth knowing but no mistake, as that a case fails which the practical's data cannot be, is yielded as a Note.

It runs on the CPU with one thread, seed 0, float32 and gradients on. What is raised inside is told to the student too.
"""

import ast
import difflib
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from course_tools.check.old_torch import explain_old
from course_tools.check.student_code import Selection, find_loop, is_stub, list_reached
from course_tools.check.student_file import Code

if TYPE_CHECKING:
    from torch import Tensor

TIME_LIMIT = 20.0  # seconds for one check


class Complaint(Exception):
    """What is wrong with `label`, one line for the student.

    It ends a check; what can be told beside other things is yielded.
    """

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(label, reason)
        self.label, self.reason = label, reason

    def __str__(self) -> str:
        return f"{self.label}: {self.reason}"


class NotDone(Complaint):
    """One line for the student: what is not written yet."""


class Note(str):
    """One line for the student that is no complaint: what is right can have notes."""


@dataclass(frozen=True)
class Check:
    """A check of the function or class `label`; it also needs `others`, and is skipped where these are not written."""

    label: str
    others: tuple[str, ...]
    run: "Callable[[Student], Iterator[str]]"
    seconds: float


def check(
    label: str, *others: str, seconds: float = TIME_LIMIT
) -> "Callable[[Callable[[Student], Iterator[str]]], Check]":
    """Make a check of a generator. `label` is the name of what is checked, and of its line in the report.

    It starts when the student wrote `label` and all `others`, and may take so many `seconds`.
    """
    return lambda function: Check(label, others, function, seconds)


def list_checks(module: ModuleType) -> list[Check]:
    """Return the checks of a module, in the order in which they are written."""
    return [value for value in vars(module).values() if isinstance(value, Check)]


@dataclass
class Student:
    """What a student's file defines."""

    code: Code
    selection: Selection
    namespace: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)  # name -> why its definition or import failed
    asked: frozenset[str] = frozenset()  # names that the checks want
    faulty: set[str] = field(default_factory=set)  # labels whose checks so far found something wrong, or missing

    def get(self, name: str) -> Any:
        """Return the function or class `name`; raise NotDone when it is not written yet, Complaint when it is lost."""
        if is_stub(self.selection.definitions.get(name)):
            raise NotDone(name, "not done yet")
        if name in self.namespace:
            return self.namespace[name]
        if name in self.failed:
            raise Complaint(name, self.failed[name])
        if name in self.selection.hidden:
            where = self.code.place(self.selection.hidden[name])
            raise Complaint(name, f"{where} defines it inside another block: move it to the left margin")
        if name in self.selection.left_out:
            where = self.code.place(self.selection.left_out[name])
            raise Complaint(name, f"{where} computes it while the program runs: define it with def or class")
        known = [own for own in self.selection.definitions if own not in self.asked]
        for close in difflib.get_close_matches(name.lower(), [own.lower() for own in known], n=1, cutoff=0.8):
            written = next(own for own in known if own.lower() == close)
            raise Complaint(name, f"not in the file, but {written} is: is it the same with another name?")
        raise NotDone(name, "not done yet, nothing in the file has this name")

    def has(self, name: str) -> bool:
        """Return whether the student wrote `name`."""
        try:
            self.get(name)
        except Complaint:
            return False
        return True

    def call(self, name: str, *arguments: Any, **named: Any) -> Any:
        """Return what the student's function returns; raise Complaint when it fails, or returns None."""
        return self.invoke(name, self.get(name), *arguments, **named)

    def run(self, name: str, *arguments: Any, **named: Any) -> Any:
        """Do the same as `call` for a function that may return nothing."""
        return self.invoke_any(name, self.get(name), *arguments, **named)

    def invoke(self, label: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Do as `call` for any `function` of the student, a method for instance; `label` begins a complaint."""
        result = self.invoke_any(label, function, *arguments, **named)
        if result is None:
            raise Complaint(label, "returns nothing: does it end with a return?")
        return result

    def invoke_any(self, label: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Do the same as `invoke` for a function that may return nothing."""
        self.check_arguments(label, function, arguments, named)
        try:
            return function(*arguments, **named)
        except (Exception, SystemExit) as error:
            raise self.explain(label, error) from None

    def check_arguments(
        self, label: str, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        """Raise Complaint when `function` cannot be called like this."""
        if not callable(function):
            raise Complaint(label, f"is {describe(function)}, not a function")
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            return  # written in C
        try:
            signature.bind(*arguments, **named)
        except TypeError:
            wanted = f"{len(arguments) + len(named)} argument" + "s" * (len(arguments) + len(named) != 1)
            wanted += f" ({', '.join(named)} by name)" if named else ""
            raise Complaint(label, f"takes {signature}, but must take {wanted}") from None

    def explain(self, label: str, error: BaseException) -> Complaint:
        """Return what was raised inside of the student's code, in one line."""
        lines = self.list_lines(error.__traceback__)
        where = f"{self.code.place(lines[-1])}: " if lines else ""
        file, function = find_origin(error)
        if isinstance(error, NotImplementedError) and file == str(self.code.path):
            other = function in self.selection.definitions and function != label
            return NotDone(label, f"needs {function}, not done yet" if other else "not done yet")
        if isinstance(error, NameError) and (line := self.selection.left_out.get(error.name or "")):
            what = f"needs {error.name}, which {self.code.place(line)} makes while the program runs"
            return Complaint(label, f"{where}{what}: use the arguments, or make it in the function")
        if isinstance(error, NameError) and (reason := self.failed.get(error.name or "")):
            return Complaint(label, f"{where}needs {error.name}: {reason}")
        if isinstance(error, SystemExit):
            return Complaint(label, f"{where}ends the program: return a value instead")
        if isinstance(error, EOFError):
            return Complaint(label, f"{where}asks for input: nobody is there to answer")
        if lines and (instead := explain_old(self.walk(), lines[-1])):
            return Complaint(label, f"{where}{instead}")
        if isinstance(error, RecursionError):
            return Complaint(label, f"{where}calls itself without end")
        return Complaint(label, f"{where}{type(error).__name__}: {shorten(str(error))}")

    def list_lines(self, traceback: TracebackType | None) -> list[int]:
        """Return the lines of the student's file on the way to an error, the innermost last."""
        lines = []
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == str(self.code.path):
                lines.append(traceback.tb_lineno)
            traceback = traceback.tb_next
        return lines

    def tensor(
        self, label: str, value: Any, shape: tuple[int, ...] | None = None, *, floating: bool | None = None
    ) -> "Tensor":
        """Return `value`, when it is a tensor of this shape (and of floats, or not of floats); raise Complaint."""
        import torch

        if not isinstance(value, torch.Tensor):
            raise Complaint(label, f"gives {describe(value)}, expected a tensor")
        if shape is not None and tuple(value.shape) != tuple(shape):
            raise Complaint(label, f"gives {describe(value)}, expected {describe_shape(shape)}")
        if floating is not None and value.is_floating_point() != floating:
            wanted = "floats" if floating else "integers (torch.long)"
            raise Complaint(label, f"gives {str(value.dtype).removeprefix('torch.')} numbers, expected {wanted}")
        return value

    @contextmanager
    def intact(self, label: str, **tensors: "Tensor") -> Iterator[None]:
        """Raise Complaint when what happens inside changes one of the `tensors`, given under their argument's name."""
        import torch

        before = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        yield
        for name, tensor in tensors.items():
            if tensor.shape != before[name].shape or not torch.equal(tensor, before[name]):
                raise Complaint(
                    label, f"changes its argument {name}: work on a new tensor, the caller needs the old one"
                )

    @contextmanager
    def repaired(self, **right: Callable[..., Any]) -> Iterator[None]:
        """Let the student's code find the `right` functions in place of those of its own that are faulty.

        So a mistake in one function is told once, and the functions that call it are judged by themselves.
        """
        changed = {name: function for name, function in right.items() if name in self.faulty}
        before = {name: self.namespace[name] for name in changed if name in self.namespace}
        self.namespace.update(changed)
        try:
            yield
        finally:
            for name in changed:
                self.namespace.pop(name, None)
            self.namespace.update(before)

    def walk(self, name: str = "") -> Iterator[ast.AST]:
        """Yield all nodes of the function or class `name` and of what of the file it uses; of all without one."""
        for reached in list_reached(name, self.selection.definitions) if name else self.selection.definitions.values():
            yield from ast.walk(reached)

    def find_loop(self, name: str) -> str:
        """Return where the function `name`, or one that it calls, has a Python loop; "" when it has none."""
        line = find_loop(name, self.selection.definitions)
        return self.code.place(line) if line else ""

    def has_loop(self, name: str) -> bool:
        """Return whether the function `name`, or one of the file that it calls, has a Python loop."""
        return bool(self.find_loop(name))

    def line(self, name: str) -> str:
        """Return where `name` is defined; "" when that is not known."""
        definition = self.selection.definitions.get(name)
        return self.code.place(definition.lineno) if definition is not None else ""  # type: ignore[attr-defined]

    def measure(self, name: str, *arguments: Any, times: int = 1) -> float:
        """Return the CPU seconds that one call takes, the fastest of so many `times`; raise Complaint like `call`.

        Unlike the clock's, they do not grow with what else the machine does. After a second no further call is begun.
        """
        seconds: list[float] = []
        while len(seconds) < times and sum(seconds) < 1:
            start = time.process_time()
            self.run(name, *arguments)
            seconds.append(time.process_time() - start)
        return min(seconds)


def find_origin(error: BaseException) -> tuple[str, str]:
    """Return the file and the function that raised an error."""
    traceback, file, function = error.__traceback__, "", ""
    while traceback is not None:
        file, function = traceback.tb_frame.f_code.co_filename, traceback.tb_frame.f_code.co_name
        traceback = traceback.tb_next
    return file, function


def describe(value: Any) -> str:
    """Return what kind of thing `value` is, in the student's words."""
    import torch

    if isinstance(value, torch.Tensor):
        return describe_shape(tuple(value.shape))
    if value is None:
        return "None"
    if isinstance(value, bool | int | float | str):
        return f"{type(value).__name__} {shorten(repr(value), 30)}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    name = f"{type(value).__module__}.{type(value).__name__}".removeprefix("builtins.")
    return "a function" if name == "function" else f"a {name}"


def describe_shape(shape: tuple[int, ...]) -> str:
    """Return `a 3 x 4 tensor`, `a tensor of 5 elements`, `a tensor of one number`."""
    if not shape:
        return "a tensor of one number"
    if len(shape) == 1:
        return f"a tensor of {shape[0]} element" + "s" * (shape[0] != 1)
    return f"a {' x '.join(map(str, shape))} tensor"


def shorten(text: str, length: int = 160) -> str:
    """Return the first line of `text`, printable, not longer than `length`."""
    lines = [line for line in text.strip().splitlines() if line.strip()] or ["no message"]
    line = "".join(character if character.isprintable() else "?" for character in lines[0].strip())
    line = line.removesuffix(", but expected one of:")  # of torch: what follows takes many lines
    return line if len(line) <= length else line[: length - 3] + "..."
