"""What the builder's own code says, as digests: a stage runs again when the code it runs has changed.

Words do not count: comments, docstrings and layout are left out of a digest.
"""

import ast
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from practicum.engine.cache import root
from practicum.engine.publish import write_text

PACKAGE = "practicum"
ROOT = Path(__file__).parents[1]
ENGINE = f"{PACKAGE}.engine"
"""The room that is in no digest: it decides when a stage runs and where its output goes, never what is in it."""


def digest_code(module: str) -> dict[str, str]:
    """Return the digest of `module` and of every module of the builder that it imports, by path, sorted.

    Imports are followed from module to module, wherever they stand, but not into the engine.
    """
    found: dict[str, str] = {}
    waiting, noted = [module], len(_read_notes())
    while waiting:
        path = find_file(waiting.pop())
        label = f"{PACKAGE}/{path.relative_to(ROOT)}"
        if label not in found:
            found[label], imported = read_code(path)
            waiting += [name for name in imported if not f"{name}.".startswith(f"{ENGINE}.")]
    if len(_read_notes()) > noted:
        write_text(_find_notes(), json.dumps(_read_notes()))
    return dict(sorted(found.items()))


def read_code(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the digest of a Python file, and the modules of the builder that it imports."""
    return _read_code(path, path.stat().st_mtime_ns)


@cache
def _read_code(path: Path, _mtime: int) -> tuple[str, tuple[str, ...]]:
    source, notes = path.read_bytes(), _read_notes()
    name = hashlib.sha256(source).hexdigest()
    if name not in notes:
        notes[name] = _parse(source)
    digest, imported = notes[name]
    return digest, tuple(imported)


@cache
def _read_notes() -> dict[str, tuple[str, Sequence[str]]]:
    """Return what earlier calls found, by the sha256 of the file: to parse the builder takes a fifth of a second."""
    try:
        notes: dict[str, tuple[str, Sequence[str]]] = json.loads(_find_notes().read_bytes())
    except (OSError, ValueError):
        return {}
    return notes


@cache
def _find_notes() -> Path:
    """Return the file of the notes, which another Python or another version of this module does not read."""
    reader = hashlib.sha256(Path(__file__).read_bytes() + sys.version.encode()).hexdigest()
    return root() / "code" / f"{reader[:16]}.json"


def _parse(source: bytes) -> tuple[str, list[str]]:
    tree, imported = ast.parse(source), set[str]()
    for node in ast.walk(tree):
        imported |= {*list_imports(node)}
        for name in ("body", "orelse", "finalbody"):
            if isinstance(statements := getattr(node, name, None), list):
                setattr(node, name, [statement for statement in statements if not _is_text(statement)])
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), sorted(imported)


def list_imports(node: ast.AST) -> Iterator[str]:
    """Give the full names of the builder's modules that a statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if f"{alias.name}.".startswith(f"{PACKAGE}."))
    elif isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{PACKAGE}."):
        for alias in node.names:
            name = f"{node.module}.{alias.name}"
            yield name if _candidates(name) else str(node.module)


def find_file(module: str) -> Path:
    """Return the file of a module of the builder; raises ModuleNotFoundError."""
    return _find_file(ROOT, module)


@cache
def _find_file(_root: Path, module: str) -> Path:
    if not (paths := _candidates(module)):
        raise ModuleNotFoundError(f"{module} is no module of {PACKAGE}")
    return paths[0]


def _candidates(module: str) -> list[Path]:
    place = ROOT.joinpath(*module.split(".")[1:])
    return [path for path in (place.with_name(f"{place.name}.py"), place / "__init__.py") if path.is_file()]


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, of whatever it stands below."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
