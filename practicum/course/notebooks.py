"""Notebooks: in git `name.nb.py`, text in jupytext's percent form; in the student's hands `name.ipynb`.

Text shows in a diff what changed, is checked by the linters, and cannot hold outputs.
"""

from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from practicum.engine.errors import PracticumError

SUFFIX = ".nb.py"
RECIPE = f"jupytext {version('jupytext')}"
"""What else than the text decides on a notebook."""

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def built_name(path: PurePosixPath) -> PurePosixPath:
    """Return the name that a source of the content has in the student's copy."""
    return path.with_name(path.name.removesuffix(SUFFIX) + ".ipynb") if path.name.endswith(SUFFIX) else path


def build(source: Path) -> bytes:
    """Return the notebook of a `.nb.py` file: the same bytes for the same text; raises PracticumError."""
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PracticumError(str(source), str(error), "save it as readable UTF-8 text") from error
    if not text.startswith("# %%"):
        raise PracticumError(str(source), "no cell begins in its first line", "start it with `# %% [markdown]`")
    return _convert(text)


@lru_cache(maxsize=128)
def _convert(text: str) -> bytes:
    """Return the notebook of a text, which each product has."""
    # Imported here: they build parsers at import, seconds that a build of unchanged content need not wait for.
    import jupytext
    import nbformat

    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: set[str] = set()
    for cell in notebook.cells:
        cell.id = _name_cell(cell.source, seen)  # jupytext's are random, and would be a change at each build
    nbformat.validate(notebook)
    written: str = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
    return (written + "\n").encode()


def _name_cell(source: str, seen: set[str]) -> str:
    """Return a cell keeps its name as long as it keeps its text, whatever is written above it."""
    name, number = sha256(source.encode()).hexdigest()[:12], 1
    while f"{name}-{number}" in seen:
        number += 1
    seen.add(f"{name}-{number}")
    return f"{name}-{number}"
