"""A student's file as course-check reads it: a .py file, or the code cells of a notebook without its magics."""

import ast
import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

# Cell magics whose cell is still Python.
PYTHON_MAGICS = {"time", "timeit", "capture", "prun", "python", "python3"}


class UnusableFileError(Exception):
    """One line for the student: why the file cannot be checked at all."""


@dataclass
class Code:
    """A parsed file. `starts` are the lines at which the code cells of a notebook begin, empty for a .py file."""

    path: Path
    body: list[ast.stmt] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # syntax errors, a line each

    def place(self, line: int) -> str:
        """Return where line number `line` is, in the student's words: `line 7`, or `cell 3, line 2` of a notebook."""
        if not self.starts:
            return f"line {line}"
        cell = max(bisect_right(self.starts, line), 1)
        return f"cell {cell}, line {line - self.starts[cell - 1] + 1}"


def read_code(path: Path) -> Code:
    """Read a .py file or a notebook; raise UnusableFileError."""
    if path.is_dir():
        raise UnusableFileError(f"{path} is a folder: name the file in it")
    if path.suffix not in (".py", ".ipynb"):
        raise UnusableFileError(f"{path}: neither a .py file nor a notebook (.ipynb)")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnusableFileError(f"{path}: cannot be read: {error.strerror or error}") from None
    code = Code(path)
    if path.suffix == ".py":
        parse_into(code, content, "")
        return code
    line = 1
    for number, source in enumerate(read_cells(path, content), start=1):
        code.starts.append(line)
        parse_into(code, prepare_cell(source), f"cell {number}, ", line - 1)
        line += source.count("\n") + 1
    return code


def parse_into(code: Code, source: str | bytes, prefix: str, offset: int = 0) -> None:
    """Add the statements of `source` to `code`, `offset` lines further down, or its syntax error."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        code.problems.append(f"{code.path.name}, {prefix}line {error.lineno or 1}: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        code.problems.append(f"{code.path.name}, {prefix}cannot be understood: {error or type(error).__name__}")
    else:
        ast.increment_lineno(tree, offset)
        code.body += tree.body


def read_cells(path: Path, content: bytes) -> list[str]:
    """Return the sources of the code cells of a notebook; raise UnusableFileError."""
    try:
        cells = json.loads(content)["cells"]
        sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        return ["".join(source) for source in sources]
    except (ValueError, KeyError, TypeError):
        raise UnusableFileError(f"{path}: not a notebook: save it again in JupyterLab") from None


def prepare_cell(source: str) -> str:
    """Return `source`, with as many lines, without what only notebooks know: magics, shell commands, questions."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        pass
    else:
        return source  # a line that begins with % can be the rest of a sum
    lines = source.split("\n")
    first = next((index for index, line in enumerate(lines) if line.strip()), 0)
    magic = re.match(r"%%(\w*)", lines[first])
    if magic:
        if magic[1] not in PYTHON_MAGICS:
            return "\n" * (len(lines) - 1)
        lines[first] = ""
    return "\n".join(replace_magic(line) for line in lines)


def replace_magic(line: str) -> str:
    """Return a line of a notebook as Python."""
    if match := re.match(r"(\s*)([%!?].*|[\w.]+\?{1,2}\s*)$", line):
        return f"{match[1]}pass"
    if match := re.match(r"(\s*[\w, ]+=)\s*[%!]", line):
        return f"{match[1]} []"
    return line
