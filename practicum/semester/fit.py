"""What no key of a description can tell alone: how its tables fit each other and the folders around the file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from practicum.architecture import ARCHITECTURES, KERNEL
from practicum.semester.folders import DATA_TOOLS, OVERRIDES
from practicum.semester.sessions import check_sessions, check_solutions
from practicum.semester.toml_errors import quote, suggest

if TYPE_CHECKING:
    from practicum.semester.description import Semester


def check_tables(semester: "Semester") -> Iterator[str]:
    """Give a line for each key that does not fit another, `key = value: reason; cure`."""
    if semester.folder.name != semester.id:
        yield (
            f"course.semester = {quote(semester.id)}: the folder is called {semester.folder.name}; "
            "give both the same name"
        )
    required = {_name(text) for text in semester.python.requires}
    if "cuda" in semester.products and "torch" not in required:
        named = quote([*semester.products])
        yield f'products = {named}: "cuda" needs torch; name torch in python.requires, or remove "cuda" here'
    if semester.data.sets and semester.data.source != "real" and "scikit-learn" not in required:
        yield (
            f"data.source = {quote(semester.data.source)}: a stand-in is made from scikit-learn's digits, which "
            'python.requires does not name; add "scikit-learn" there, or write "real"'
        )
    yield from check_pins(semester, required)
    yield from check_kernel(semester)


def check_pins(semester: "Semester", required: set[str]) -> Iterator[str]:
    """Give a line for each pin of an architecture that has no use. required: names of python.requires."""
    for architecture in ARCHITECTURES:
        pins = semester.list_pins(architecture)
        if pins and architecture not in semester.built_for:
            yield (
                f"python.{architecture.name}: architectures does not name {quote(architecture.name)}; "
                "add it there, or remove the table"
            )
        for index, text in enumerate(pins):
            if _name(text) not in required:
                yield (
                    f"python.{architecture.name}.requires[{index}] = {quote(text)}: python.requires does not name "
                    "this package; name it there too"
                )


def check_kernel(semester: "Semester") -> Iterator[str]:
    """Give a line when the appliance gets the kernel of one architecture, and there are others."""
    kernels = {architecture.kernel: architecture for architecture in ARCHITECTURES}
    for index, name in enumerate(semester.debian.appliance_packages):
        if name in kernels and semester.built_for != (kernels[name],):
            yield (
                f"debian.appliance_packages[{index}] = {quote(name)}: the kernel of {kernels[name].name} alone; "
                f"write {quote(KERNEL)}, which stands for that of each architecture"
            )


def check_folders(semester: "Semester") -> Iterator[str]:
    """Give a line for each path and name in the description that is not in course_content/."""
    root = semester.content_root.resolve()
    yield from check_sessions(semester.course.sessions, root)
    yield from check_solutions(semester.content.solutions, root)
    if semester.data.sets and not (semester.course_root / DATA_TOOLS).is_dir():
        yield f"data.sets: {DATA_TOOLS}, which makes the sets, is not in this course; remove the table [data]"
    yield from check_overrides(semester.course_root / OVERRIDES)
    for index, name in enumerate(semester.content.include):
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            yield (
                f"content.include[{index}] = {quote(name)}: leaves course_content/ through a link; "
                "name a file or folder inside course_content/"
            )
        elif not path.exists():
            there = sorted(entry.name for entry in root.glob("*") if not entry.name.startswith("."))
            yield (
                f"content.include[{index}] = {quote(name)}: not in course_content/; "
                + suggest(name, there, f"what is there: {', '.join(there) or 'nothing'}")
            )


def check_overrides(file: Path) -> Iterator[str]:
    """Give a line when the course's settings of JupyterLab are not of the form {"plugin": {"setting": value}}."""
    try:
        settings = json.loads(file.read_bytes()) if file.exists() else {}
    except ValueError as error:
        yield f"{OVERRIDES}: not JSON ({error}); JupyterLab's Advanced Settings Editor shows settings as JSON"
        return
    if not isinstance(settings, dict) or not all(isinstance(each, dict) for each in settings.values()):
        yield f'{OVERRIDES}: settings without a plugin; write it like {{"@jupyterlab/...:plugin": {{"name": true}}}}'


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)
