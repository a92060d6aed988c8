"""Runs the checks of one practical on one file: the part of `course-check` that executes the student's code.

As a program it is the child of course_tools.check.cli, which ends it when a check takes too long. It writes one JSON
object a line to the file descriptor that it is given, and throws away whatever the student's code prints.
"""

import ast
import importlib
import json
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

from course_tools.check import prologue
from course_tools.check.checking import Check, Complaint, NotDone, Note, Student, list_checks, shorten
from course_tools.check.old_torch import list_advice
from course_tools.check.student_code import select
from course_tools.check.student_file import Code, read_code

OK, WRONG, TODO, SKIPPED = "ok", "wrong", "todo", "skipped"
MOST_LINES = 5  # of one check: more would hide the others


@dataclass(frozen=True)
class Result:
    """How a check ended; `ended` tells that its label needs no further check. `notes` are of right work, too."""

    label: str
    status: str
    lines: tuple[str, ...] = ()
    ended: bool = False
    notes: tuple[str, ...] = ()


def load_checks(number: int) -> list[Check]:
    """Return the checks of practical `number`."""
    return list_checks(importlib.import_module(f"course_tools.check.practical_{number}"))


def load_student(code: Code, checks: Sequence[Check]) -> Student:
    """Execute what `code` defines; a statement that fails does not keep the others from being executed."""
    asked = frozenset(name for check in checks for name in (check.label, *check.others))
    module = ModuleType("student")
    module.__file__ = str(code.path)
    sys.modules[module.__name__] = module  # where dataclasses, for one, look up the types of their fields
    student = Student(code, select(code, asked), vars(module), asked=asked)
    flags = find_future_flags(code.body)
    for statement in student.selection.statements:
        tree = ast.fix_missing_locations(ast.Module([statement], type_ignores=[]))
        try:
            exec(compile(tree, str(code.path), "exec", flags=flags, dont_inherit=True), student.namespace)
        except (Exception, SystemExit) as error:
            reason = f"{code.place(statement.lineno)}: {type(error).__name__}: {shorten(str(error))}"
            for name in list_names(statement):
                student.failed[name] = reason
    return student


def find_future_flags(body: Sequence[ast.stmt]) -> int:
    """Return the flags of `from __future__ import ...` for `compile`."""
    import __future__

    flags = 0
    for statement in body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            for alias in statement.names:
                flags |= getattr(__future__, alias.name).compiler_flag if hasattr(__future__, alias.name) else 0
    return flags


def list_names(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that `statement` would have given."""
    for node in ast.walk(statement):
        if isinstance(node, ast.alias):
            yield node.asname or node.name.split(".")[0]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def run_check(check: Check, student: Student) -> Result:
    """Run one check; nothing that the student's code does ends it, except the end of the process."""
    reset()
    lines: list[str] = []
    notes: list[str] = []
    status, ended = OK, False
    try:
        student.get(check.label)
        if not all(student.has(name) for name in check.others):
            return Result(check.label, SKIPPED)
        for line in check.run(student) or ():  # one that only raises is no generator
            (notes if isinstance(line, Note) else lines).append(str(line))
            if len(lines) == MOST_LINES:
                break
    except NotDone as error:
        lines.append(str(error))
        status, ended = (TODO if len(lines) == 1 else WRONG), True
    except Complaint as error:
        lines.append(str(error))
        ended = True
    except (Exception, SystemExit) as error:  # the check expected something else: most often of what was returned
        lines.append(f"{check.label}: gives something unusable ({type(error).__name__}: {shorten(str(error))})")
        ended = True
    if lines and status == OK:
        status = WRONG
    notes += list_notes(check.label, student)
    return Result(check.label, status, tuple(dict.fromkeys(lines)), ended, tuple(dict.fromkeys(notes)))


def list_notes(label: str, student: Student) -> Iterator[str]:
    """Yield what of earlier years is in the code of `label`, and what is written today."""
    for line, text in list_advice(student.walk(label)):
        yield f"{label}: {student.code.place(line)}: {text}"


def reset() -> None:
    """Give each check the same start, whatever the last one did."""
    import torch

    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)


def run_checks(checks: Sequence[Check], student: Student, skip: Collection[int] = ()) -> Iterator[tuple[int, Result]]:
    """Run the checks whose number is not in `skip`; once a label ended, its other checks are skipped."""
    ended = set()
    for number, check in enumerate(checks):
        if number in skip:
            continue
        if check.label in ended:
            yield number, Result(check.label, SKIPPED)
            continue
        result = run_check(check, student)
        if result.status in (WRONG, TODO):
            student.faulty.add(check.label)
        if result.ended:
            ended.add(check.label)
        yield number, result


def examine(number: int, path: Path) -> list[Result]:
    """Return all results of a file, in this process and without a time limit; skipped checks are not among them."""
    code, checks = read_code(path), load_checks(number)
    if code.problems:
        return [Result(path.name, WRONG, tuple(code.problems), ended=True)]
    results = run_checks(checks, load_student(code, checks))
    return [result for _, result in results if result.status != SKIPPED]


def add_paths(path: Path) -> None:
    """Let the student's file import its neighbours, and the course's prologue: not an older one beside it."""
    before = [*sys.path]
    sys.path.insert(0, str(path.parent))
    sys.path += [str(folder) for folder in prologue.list_places(path) if (folder / prologue.FILE).is_file()]
    if prologue.find_hiding(path, before) and (ours := prologue.find_ours(path, before)):
        prologue.load(ours)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the child: FD PRACTICAL FILE SKIP FAULTY, the last two with commas.

    SKIP are the numbers of the checks that are done, FAULTY the labels that were not right.
    """
    descriptor, number, name, skipped, faulty = sys.argv[1:] if arguments is None else arguments
    with os.fdopen(int(descriptor), "w", encoding="utf-8") as out:

        def tell(**message: object) -> None:
            print(json.dumps(message), file=out, flush=True)

        import torch

        torch.set_num_threads(1)
        path, checks = Path(name), load_checks(int(number))
        sys.argv = [name]
        add_paths(path)
        skip = {int(word) for word in skipped.split(",") if word}
        tell(event="loading", labels=[check.label for check in checks], limits=[check.seconds for check in checks])
        student = load_student(read_code(path), checks)
        student.faulty |= set(faulty.split(","))
        tell(event="loaded")
        for index, result in run_checks(checks, student, skip):
            tell(event="result", number=index, **asdict(result))
        tell(event="end")
    os._exit(0)  # threads that the student's code left behind would keep the process


if __name__ == "__main__":
    main()
