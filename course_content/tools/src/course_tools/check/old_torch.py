"""What torch no longer has, or no longer advises: programs of earlier years of the course call it."""

import ast
from collections.abc import Iterable, Iterator

from course_tools.check.student_code import last_name

REMOVED = {
    "eig": "torch.linalg.eig(M), or for a symmetric M torch.linalg.eigh(M)",
    "symeig": "torch.linalg.eigh(M), which gives the same: values in increasing order, vectors in columns",
    "gels": "torch.linalg.lstsq(A, B).solution, with A before B",
    "lstsq": "torch.linalg.lstsq(A, B).solution, with A before B",
    "gesv": "torch.linalg.solve(A, B), with A before B",
    "solve": "torch.linalg.solve(A, B), with A before B",
    "potrf": "torch.linalg.cholesky(M)",
    "btrifact": "torch.linalg.lu_factor(M)",
    "matrix_rank": "torch.linalg.matrix_rank(M)",
}
"""Functions that torch had, and what does the same today."""

ADVICE = {
    "svd": "torch.linalg.svd(M) is the new one: it gives V transposed, and all of V unless full_matrices=False",
    "qr": "torch.linalg.qr(M) is the new one",
    "cholesky": "torch.linalg.cholesky(M) is the new one",
    "range": "torch.arange(a, b) is the new one: b is not in it",
}
"""Functions that still work, and warn or soon will."""


def explain_old(nodes: Iterable[ast.AST], line: int) -> str:
    """Return what to write for a removed function that is called on `line`; "" when there is none."""
    for node in nodes:
        if not node_spans(node, line):
            continue
        if isinstance(node, ast.Call) and (name := find_old_name(node, REMOVED)):
            return f"torch has no {name} any more: write {REMOVED[name]}"
        if is_first_of_data(node):
            return "a loss is a tensor of one number: write item() for .data[0]"
    return ""


def list_advice(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield the line of what is old but works, or does nothing, and what to write today."""
    for node in nodes:
        if isinstance(node, ast.Call):
            if name := find_old_name(node, ADVICE):
                yield node.lineno, f"torch.{name} is old: {ADVICE[name]}"
            if any(keyword.arg == "volatile" for keyword in node.keywords):
                yield node.lineno, "volatile does nothing any more: with torch.no_grad(): does it"
            elif last_name(node.func) == "Variable":
                yield node.lineno, "Variable does nothing any more: a tensor is enough"


def find_old_name(call: ast.Call, names: Iterable[str]) -> str:
    """Return which of `names` of torch `call` calls, as torch.name(...) or tensor.name(...); "" for none.

    Functions of torch.linalg, which have some of the same names, are none of them.
    """
    name = last_name(call.func)
    if name not in names or not isinstance(call.func, ast.Attribute):
        return ""
    return "" if last_name(call.func.value) in ("linalg", "LA", "np", "numpy", "scipy") else name


def is_first_of_data(node: ast.AST) -> bool:
    """Return whether `node` is x.data[0]."""
    match node:
        case ast.Subscript(value=ast.Attribute(attr="data"), slice=ast.Constant(value=0)):
            return True
    return False


def node_spans(node: ast.AST, line: int) -> bool:
    """Return whether `node` is written on `line`."""
    first = getattr(node, "lineno", 0)
    return first <= line <= (getattr(node, "end_lineno", None) or first)
