"""What the sources of a submission say without being run: the part of `course-submit` that reads them."""

import ast
import json
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

ABSOLUTE = re.compile(r"(/(home|Users|root|mnt|media|content|kaggle|data|scratch|work|tmp)/|[A-Za-z]:[\\/]\w|~/)")

# The framework project is to be made of tensors: neither of these modules, nor what belongs to autograd.
FORBIDDEN_MODULES = (
    "torch.nn", "torch.autograd", "torch.optim", "torch.func", "torchvision", "tensorflow", "keras", "jax", "sklearn",
)  # fmt: skip
FORBIDDEN_NAMES = {"requires_grad", "requires_grad_", "enable_grad"}
ALLOWED = {"torch.nn.functional.fold", "torch.nn.functional.unfold"}  # they only move numbers

OF_THE_COURSE = {"statement.ipynb", "test_submission.py"}  # and every dlc_*.py

PAIRS, FRAMEWORK, EEG, NOISE = "pairs", "framework", "eeg", "noise2noise"
PROJECTS = (PAIRS, FRAMEWORK, EEG, NOISE)


@dataclass(frozen=True)
class Line:
    """A line of a source, and what is found there."""

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number}: {self.text}"


@dataclass
class Sources:
    """What was found in the Python files below one folder; file names are relative to it."""

    files: dict[str, str] = field(default_factory=dict)
    """The texts of the students' own files and notebooks, by name."""
    imported: set[str] = field(default_factory=set)
    """Names of top-level modules."""
    absolute: list[Line] = field(default_factory=list)
    """Absolute paths."""
    arguments: list[Line] = field(default_factory=list)
    """Where the command line or the keyboard is read."""
    forbidden: list[Line] = field(default_factory=list)
    """What a framework without autograd forbids."""
    broken: set[str] = field(default_factory=set)
    """Files that are no Python."""

    def guess_project(self, ran: Collection[str]) -> str | None:
        """Return which project it looks like: by the files that `ran`, else by all."""
        texts = [text for name, text in self.files.items() if name in ran]
        return guess_project("\n".join(texts)) or guess_project("\n".join(self.files.values()))


def read_sources(folder: Path) -> Sources:
    """Read all Python files below `folder`."""
    sources = Sources()
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        if path.name.startswith("dlc_") or path.name in OF_THE_COURSE:
            continue
        try:
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text)
        except (SyntaxError, ValueError, OSError, RecursionError):
            sources.broken.add(name)
            sources.files[name] = ""
            continue
        if tree.body:
            sources.files[name] = text
            read_tree(tree, name, sources)
    for path in sorted(folder.rglob("*.ipynb")):
        if path.name not in OF_THE_COURSE:
            with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
                sources.files[path.relative_to(folder).as_posix()] = "\n".join(
                    "".join(cell["source"]) for cell in cells
                )
    return sources


def guess_project(text: str) -> str | None:
    """Return which project these sources belong to; None when they do not say."""
    if re.search(r"\bload_pretrained_model\b", text):
        return NOISE
    if re.search(r"\bdlc_bci\b", text):
        return EEG
    if re.search(r"\bgenerate_pair_sets\b", text):
        return PAIRS
    if re.search(r"def backward\s*\(", text):
        return FRAMEWORK
    return None


def read_tree(tree: ast.AST, name: str, sources: Sources) -> None:
    """Note what one file holds."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    allowed = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ALLOWED
        for part in ast.walk(node)
    }
    for node in ast.walk(tree):
        number = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            for alias in node.names:
                note_import(alias.name, Line(name, number, ""), sources)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            note_import(node.module, Line(name, number, ""), sources, [alias.name for alias in node.names])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            if ABSOLUTE.match(node.value):
                sources.absolute.append(Line(name, number, node.value.splitlines()[0][:60]))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "input":
            sources.arguments.append(Line(name, number, "input()"))
        elif isinstance(node, ast.Attribute | ast.keyword | ast.Name) and id(node) not in allowed:
            note_name(node, Line(name, number, ""), sources)


def note_import(module: str, where: Line, sources: Sources, names: list[str] | None = None) -> None:
    """Note an import; `names` are those of `from module import names`."""
    sources.imported.add(module.partition(".")[0])
    for imported in [f"{module}.{name}" for name in names] if names else [module]:
        if imported not in ALLOWED and any(f"{imported}.".startswith(f"{name}.") for name in FORBIDDEN_MODULES):
            sources.forbidden.append(replace(where, text=f"imports {imported}"))


def note_name(node: ast.Attribute | ast.keyword | ast.Name, where: Line, sources: Sources) -> None:
    """Note names that mean the command line or autograd."""
    dotted = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
    if dotted == "sys.argv":
        sources.arguments.append(replace(where, text="sys.argv"))
    elif dotted in ("torch.nn", "torch.autograd", "torch.optim", "torch.func"):
        sources.forbidden.append(replace(where, text=f"uses {dotted}"))
    elif isinstance(node, ast.Attribute) and node.attr in FORBIDDEN_NAMES:
        sources.forbidden.append(replace(where, text=f"uses {node.attr}"))
    elif isinstance(node, ast.keyword) and node.arg == "requires_grad" and ast.unparse(node.value) != "False":
        sources.forbidden.append(replace(where, text="uses requires_grad"))
