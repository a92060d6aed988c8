"""What the sources of a submission say without being run: the part of `course-submit` that reads them."""

import ast
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ABSOLUTE = re.compile(r"(/(home|Users|root|mnt|media|content|kaggle|data|scratch|work|tmp)/|[A-Za-z]:[\\/]\w|~/)")

# The framework project is to be made of tensors: neither of these modules, nor what belongs to autograd.
FORBIDDEN_MODULES = (
    "torch.nn", "torch.autograd", "torch.optim", "torch.func", "torchvision", "tensorflow", "keras", "jax", "sklearn",
)  # fmt: skip
FORBIDDEN_NAMES = {"requires_grad", "requires_grad_", "enable_grad"}

PAIRS, FRAMEWORK, EEG = "pairs", "framework", "eeg"
PROJECTS = (PAIRS, FRAMEWORK, EEG)


@dataclass
class Sources:
    """What was found in the Python files below one folder."""

    imported: set[str] = field(default_factory=set)
    """Names of top-level modules."""
    absolute: list[str] = field(default_factory=list)
    """Absolute paths, as file:line: path."""
    arguments: list[str] = field(default_factory=list)
    """Where the command line or the keyboard is read."""
    forbidden: list[str] = field(default_factory=list)
    """What the framework project forbids."""
    broken: list[str] = field(default_factory=list)
    """Files that are no Python."""
    project: str | None = None
    """Which project it looks like."""


def read_sources(folder: Path) -> Sources:
    """Read all Python files below `folder`."""
    sources = Sources()
    texts = []
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        try:
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text)
        except (SyntaxError, ValueError, OSError, RecursionError) as error:
            sources.broken.append(f"{name}: {error}")
            continue
        if not name.startswith("dlc_"):  # the course's own
            texts.append(text)
            read_tree(tree, name, sources)
    for path in sorted(folder.rglob("*.ipynb")):
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
                texts.append("".join(cell["source"]))
    sources.project = guess_project("\n".join(texts))
    return sources


def guess_project(text: str) -> str | None:
    """Return which project these sources belong to; None when they do not say."""
    if re.search(r"\bdlc_bci\b", text):
        return EEG
    if re.search(r"\bgenerate_pair_sets\b", text):
        return PAIRS
    if re.search(r"def backward\s*\(", text) and re.search(r"def param\s*\(|class LossMSE\b", text):
        return FRAMEWORK
    return None


def read_tree(tree: ast.AST, name: str, sources: Sources) -> None:
    """Note what one file holds."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        where = f"{name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            for alias in node.names:
                note_import(alias.name, where, sources)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            note_import(node.module, where, sources, [alias.name for alias in node.names])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            if ABSOLUTE.match(node.value):
                sources.absolute.append(f"{where}: {node.value.splitlines()[0][:60]}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "input":
            sources.arguments.append(f"{where}: input()")
        elif isinstance(node, ast.Attribute | ast.keyword | ast.Name):
            note_name(node, where, sources)


def note_import(module: str, where: str, sources: Sources, names: list[str] | None = None) -> None:
    """Note an import; `names` are those of `from module import names`."""
    sources.imported.add(module.partition(".")[0])
    for imported in [f"{module}.{name}" for name in names] if names else [module]:
        if any(f"{imported}.".startswith(f"{forbidden}.") for forbidden in FORBIDDEN_MODULES):
            sources.forbidden.append(f"{where}: imports {imported}")


def note_name(node: ast.Attribute | ast.keyword | ast.Name, where: str, sources: Sources) -> None:
    """Note names that mean the command line or autograd."""
    dotted = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
    if dotted == "sys.argv":
        sources.arguments.append(f"{where}: sys.argv")
    elif dotted in ("torch.nn", "torch.autograd", "torch.optim"):
        sources.forbidden.append(f"{where}: uses {dotted}")
    elif isinstance(node, ast.Attribute) and node.attr in FORBIDDEN_NAMES:
        sources.forbidden.append(f"{where}: uses {node.attr}")
    elif isinstance(node, ast.keyword) and node.arg == "requires_grad" and ast.unparse(node.value) != "False":
        sources.forbidden.append(f"{where}: uses requires_grad")


def list_classes(folder: Path) -> Iterator[tuple[str, PurePosixPath]]:
    """Yield the classes that the files below `folder` define at their top level, each with its file."""
    for path in sorted(folder.rglob("*.py")):
        with suppress(SyntaxError, ValueError, OSError, RecursionError):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    yield node.name, PurePosixPath(path.relative_to(folder).as_posix())
