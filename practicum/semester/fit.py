"""What no key of a description can tell alone: how its tables fit each other and the folders around the file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from practicum.architecture import ARCHITECTURES, KERNEL, Architecture
from practicum.semester.folders import DATA_TOOLS, LEFT_OUT, OVERRIDES
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
    if "torchvision" in required and "torch" not in required:
        yield 'python.requires: "torchvision" needs torch; name torch, too, or remove torchvision'
    yield from check_left_out(semester)
    yield from check_markers(semester)
    yield from check_pins(semester, required)
    yield from check_kernel(semester)


def check_left_out(semester: "Semester") -> Iterator[str]:
    """Give a line for each requirement that the locks leave out, whoever asks for it."""
    lines = (semester.checkout / LEFT_OUT).read_text().splitlines()
    left_out = {canonicalize_name(line.strip()) for line in lines if line.strip() and not line.startswith("#")}
    for index, text in enumerate(semester.python.requires):
        if _name(text) in left_out:
            yield f"python.requires[{index}] = {quote(text)}: no product has it, {LEFT_OUT} says why; remove it"


def check_markers(semester: "Semester") -> Iterator[str]:
    """Give a line for each requirement that no product has, because its condition never holds there."""
    for index, text in enumerate(semester.python.requires):
        key = f"python.requires[{index}] = {quote(text)}"
        try:
            wanted = any(
                holds(text, semester.debian.python_version, architecture) for architecture in semester.built_for
            )
        except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion):
            yield f"{key}: the condition compares what has no order; write it like ; python_version >= '3.12'"
            continue
        if not wanted:
            told = f"Python {semester.debian.python_version} on Linux ({', '.join(semester.architectures)})"
            yield f"{key}: the condition never holds for {told}; remove the requirement, or the condition"


def holds(requirement: str, python: str, architecture: Architecture) -> bool:
    """Return whether a product for `architecture` with Python `python` ("3.11") needs a requirement.

    Raises what packaging raises for a condition that compares what cannot be compared.
    """
    marker = Requirement(requirement).marker
    product = {
        **{"implementation_name": "cpython", "implementation_version": f"{python}.0", "os_name": "posix"},
        **{"platform_machine": architecture.machine, "platform_release": "", "platform_version": ""},
        **{"platform_python_implementation": "CPython", "platform_system": "Linux", "sys_platform": "linux"},
        **{"python_version": python, "python_full_version": f"{python}.0"},
    }
    return marker is None or marker.evaluate(product)


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
    yield from check_include(semester, root)


def check_include(semester: "Semester", root: Path) -> Iterator[str]:
    """Give a line for each included path that is not in the folder `root`."""
    for index, name in enumerate(semester.content.include):
        if mistake := find_mistake(root, name):
            yield f"content.include[{index}] = {quote(name)}: {mistake}"


def find_mistake(root: Path, name: str) -> str:
    """Return why the folder `root` has no file or folder at the path `name`, with the cure; "" where it has."""
    try:
        path = (root / name).resolve()
        is_link, there = (root / name).is_symlink(), path.exists()
    except RuntimeError:  # how Python tells of links that lead in a circle
        return "a link that leads to itself; replace it by what it should be"
    except OSError as error:
        return f"cannot be found ({error.strerror}); name a file or folder inside course_content/"
    if not path.is_relative_to(root):
        return "leaves course_content/ through a link; name a file or folder inside course_content/"
    if there:
        return ""
    if is_link:
        return f"a link to {(root / name).readlink()}, which is not there; replace it by what it should be"
    known = sorted(entry.name for entry in root.glob("*") if not entry.name.startswith("."))
    cure = suggest(name, known, f"what is there: {', '.join(known) or 'nothing'}")
    return f"not in course_content/; {cure}"


def check_overrides(file: Path) -> Iterator[str]:
    """Give a line when the course's settings of JupyterLab are not of the form {"plugin": {"setting": value}}."""
    try:
        settings = json.loads(file.read_bytes()) if file.exists() else {}
    except OSError as error:
        yield f"{OVERRIDES}: cannot be read ({error.strerror}); make it a readable file"
        return
    except ValueError as error:
        yield f"{OVERRIDES}: not JSON ({error}); JupyterLab's Advanced Settings Editor shows settings as JSON"
        return
    if not isinstance(settings, dict) or not all(isinstance(each, dict) for each in settings.values()):
        yield f'{OVERRIDES}: settings without a plugin; write it like {{"@jupyterlab/...:plugin": {{"name": true}}}}'


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)
