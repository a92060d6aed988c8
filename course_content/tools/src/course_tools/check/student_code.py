"""What of a student's file course-check executes: what defines something.

Imports, functions and classes are executed, and of the assignments those that a function needs and that neither call
the file's own code nor load data. Everything else at the left margin (training loops, prints, plots) is left out.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from course_tools.check.student_file import Code

LOADS_DATA = re.compile(r"load|read|open|fetch|download|^input$|generate_\w*set|mnist|cifar|dataset", re.IGNORECASE)

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Node = TypeVar("Node", bound=ast.AST)


@dataclass
class Selection:
    """What of a file is executed, and which names the rest would have given."""

    statements: list[ast.stmt] = field(default_factory=list)
    definitions: dict[str, ast.AST] = field(
        default_factory=dict
    )  # functions, classes and lambdas, the last one of each
    left_out: dict[str, int] = field(default_factory=dict)  # name -> line of the assignment that is not executed
    hidden: dict[str, int] = field(default_factory=dict)  # name -> line of a definition that is not executed


class Selector:
    """Chooses the statements of `body` that define something; `asked` are names that the checks want."""

    def __init__(self, body: Sequence[ast.stmt], asked: Iterable[str] = ()) -> None:
        self.own = {definition.name for definition in list_definitions(body)}
        self.needed = find_needed(body, asked)
        self.selection = Selection()
        self.selection.statements = self.reduce(body)
        for name in self.selection.definitions:
            self.selection.hidden.pop(name, None)

    def reduce(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Return the statements of a block that are executed."""
        chosen = []
        for statement in body:
            if (kept := self.reduce_statement(statement)) is not None:
                chosen.append(kept)
            elif not (isinstance(statement, ast.If) and is_main_test(statement.test)):
                self.leave_out(statement)
        return chosen

    def reduce_statement(self, statement: ast.stmt) -> ast.stmt | None:
        """Return `statement`, or what is left of it; None when it is not executed."""
        match statement:
            case ast.Import() | ast.ImportFrom():
                return statement
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self.selection.definitions[statement.name] = statement
                return statement
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                return self.reduce_assignment(statement)
            case ast.If() if not is_main_test(statement.test) and self.is_harmless(statement.test):
                body, orelse = self.reduce(statement.body), self.reduce(statement.orelse)
                return copy(statement, body=body or [ast.Pass()], orelse=orelse) if body or orelse else None
            case ast.If() if is_main_test(statement.test):
                return self.reduce_main(statement)
            case ast.Try():
                handlers = [
                    copy(handler, body=self.reduce(handler.body) or [ast.Pass()]) for handler in statement.handlers
                ]
                body, orelse = self.reduce(statement.body), self.reduce(statement.orelse)
                final = self.reduce(statement.finalbody)
                if not handlers and not final:
                    final = [ast.Pass()]
                return copy(statement, body=body or [ast.Pass()], handlers=handlers, orelse=orelse, finalbody=final)
        return None

    def reduce_main(self, statement: ast.If) -> ast.stmt | None:
        """Return what of the block of a program's start functions need: values of which they are not told otherwise."""
        kept = []
        for inner in statement.body:
            value = self.reduce_assignment(inner) if isinstance(inner, ast.Assign | ast.AnnAssign) else None
            if value is not None:
                kept.append(value)
            else:
                self.leave_out(inner)
        for inner in statement.orelse:
            self.leave_out(inner)
        if not kept:
            return None
        return copy(statement, test=ast.copy_location(ast.Constant(True), statement), body=kept, orelse=[])

    def reduce_assignment(self, statement: ast.Assign | ast.AnnAssign | ast.AugAssign) -> ast.stmt | None:
        """Return `statement` when a definition needs it and it only computes."""
        if statement.value is None or not self.is_harmless(statement.value):
            return None
        names, needed = list_targets(statement), False
        for name in names:
            if isinstance(statement, ast.AugAssign) and name in self.selection.left_out:
                return None
            if isinstance(statement.value, ast.Lambda):
                self.selection.definitions[name] = statement.value
            needed = needed or name in self.needed
        if not names:  # an attribute or an element of something: of the file's own classes only
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            needed = bool(self.own & {node.id for node in ast.walk(target) if isinstance(node, ast.Name)})
        if needed:
            for name in names:
                self.selection.left_out.pop(name, None)
            return statement
        return None

    def is_harmless(self, expression: ast.expr) -> bool:
        """Return whether it neither calls the file's own code nor loads data nor needs something that is left out."""
        for node in walk_executed(expression):
            if isinstance(node, ast.Name) and node.id in self.selection.left_out and node.id not in self.own:
                return False
            if isinstance(node, ast.Call):
                if any(isinstance(part, ast.Name) and part.id in self.own for part in walk_executed(node.func)):
                    return False
                if LOADS_DATA.search(last_name(node.func)):
                    return False
            if isinstance(node, ast.Await | ast.Yield | ast.YieldFrom):
                return False
        return True

    def leave_out(self, statement: ast.stmt) -> None:
        """Remember which names `statement` would have given."""
        for node in ast.walk(statement):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self.selection.hidden[node.name] = node.lineno
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.selection.left_out[node.id] = node.lineno


def select(code: Code, asked: Iterable[str] = ()) -> Selection:
    """Return what of `code` is executed."""
    return Selector(code.body, asked).selection


def list_definitions(body: Sequence[ast.stmt]) -> Iterator[Definition]:
    """Yield the functions and classes of a block, also those inside of if and try."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement
        elif isinstance(statement, ast.If | ast.Try):
            for name in ("body", "orelse", "finalbody"):
                yield from list_definitions(getattr(statement, name, []))
            for handler in getattr(statement, "handlers", []):
                yield from list_definitions(handler.body)


def find_needed(body: Sequence[ast.stmt], asked: Iterable[str]) -> set[str]:
    """Return the names that the functions and classes of `body` use, and those that their values are made from."""
    needed = set(asked)
    assignments: list[tuple[list[str], set[str]]] = []
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
                needed |= list_loaded(node)
            elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
                assignments.append((list_targets(node), list_loaded(node.value)))
            elif isinstance(node, ast.If):
                needed |= list_loaded(node.test)
    while True:
        more = set().union(*(used for targets, used in assignments if needed.intersection(targets))) - needed
        if not more:
            return needed
        needed |= more


def list_loaded(node: ast.AST) -> set[str]:
    """Return the names that are read in `node`."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}


def list_targets(statement: ast.Assign | ast.AnnAssign | ast.AugAssign) -> list[str]:
    """Return the names that an assignment gives."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return [
        node.id
        for target in targets
        for node in ast.walk(target)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def walk_executed(node: ast.AST) -> Iterator[ast.AST]:
    """Walk as `ast.walk` does, but not into lambdas, which run later."""
    yield node
    if not isinstance(node, ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from walk_executed(child)


def last_name(function: ast.expr) -> str:
    """Return `c` for a.b.c."""
    return getattr(function, "attr", "") or getattr(function, "id", "")


def is_main_test(test: ast.expr) -> bool:
    """Return whether an `if` asks for __name__."""
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(test))


def copy(node: Node, **changes: object) -> Node:
    """Return `node` with other fields."""
    fields = {name: getattr(node, name) for name in node._fields if hasattr(node, name)}
    return ast.copy_location(type(node)(**{**fields, **changes}), node)


def is_stub(definition: ast.AST | None) -> bool:
    """Return whether a function has no body yet: a description, `...`, `pass` or `raise NotImplementedError` only."""
    if not isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    return all(is_empty(statement) for statement in definition.body)


def is_empty(statement: ast.stmt) -> bool:
    """Return whether a statement does nothing yet."""
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Raise(exc=ast.Call(func=ast.Name(id="NotImplementedError")) | ast.Name(id="NotImplementedError")):
            return True
        case ast.FunctionDef() | ast.AsyncFunctionDef():  # of a class
            return is_stub(statement)
    return False


LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
LOOPING_CALLS = {"map", "filter", "reduce", "apply_", "map_", "map2_", "vectorize", "apply_along_axis", "fromiter"}


def find_loop(name: str, definitions: dict[str, ast.AST], seen: frozenset[str] = frozenset()) -> int:
    """Return the line of the first loop in the function `name` or in a function of the file that it calls; 0 for none.

    Comprehensions, map and its kin and functions that call themselves are loops too.
    """
    if name not in definitions:
        return 0
    for node in ast.walk(definitions[name]):
        if isinstance(node, LOOPS):
            return int(getattr(node, "lineno", 1))
        if isinstance(node, ast.Call):
            called = last_name(node.func)
            if called in LOOPING_CALLS or (isinstance(node.func, ast.Name) and called in seen | {name}):
                return node.lineno
            if isinstance(node.func, ast.Name) and (line := find_loop(called, definitions, seen | {name})):
                return line
    return 0


def list_reached(name: str, definitions: dict[str, ast.AST]) -> list[ast.AST]:
    """Return the definition of `name` and those of the file that it uses, directly or by another one."""
    names, reached = [name], []
    for one in names:  # it grows while it is gone through
        if one in definitions:
            reached.append(definitions[one])
            names += sorted(list_loaded(definitions[one]) - {*names})
    return reached
