"""Who imports whom between the rooms of the students' commands: no circle, one arrow from the course to the runtime."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from checkout import ROOT

PACKAGES = {
    "course_runtime": ROOT / "runtime/src/course_runtime",
    "course_tools": ROOT / "course_content/tools/src/course_tools",
}
ARROWS = {
    ("course_runtime.doctor", "course_runtime.files"),
    ("course_runtime.doctor", "course_runtime.machine"),
    ("course_runtime.files", "course_runtime.machine"),
    ("course_runtime.packages", "course_runtime.machine"),
    ("course_runtime.start", "course_runtime.files"),
    ("course_runtime.start", "course_runtime.machine"),
    ("course_runtime.update", "course_runtime.files"),
    ("course_runtime.update", "course_runtime.machine"),
    ("course_tools.check", "course_runtime.machine"),
    ("course_tools.submit", "course_tools.datasets"),
}


def list_imports(packages: Mapping[str, Path] = PACKAGES) -> Iterator[tuple[str, str]]:
    """Every module with every module of ours that it imports."""
    modules = {
        ".".join((name, *path.relative_to(folder).with_suffix("").parts)): path
        for name, folder in packages.items()
        for path in folder.rglob("*.py")
    }
    for module, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in packages:
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    yield module, whole if whole in modules else node.module


def room_of_builder(module: str) -> str:
    return module.split(".")[1]


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_arrows_between_the_rooms_are_these() -> None:
    assert {(room(one), room(other)) for one, other in list_imports() if room(one) != room(other)} == ARROWS


def test_no_module_imports_itself_through_others() -> None:
    graph: dict[str, set[str]] = {}
    for module, imported in list_imports():
        graph.setdefault(module, set()).add(imported)
    TopologicalSorter(graph).prepare()  # raises CycleError


# ---- the builder ---------------------------------------------------------------------------------------------------

BUILDER = {"practicum": ROOT / "practicum"}


def test_the_builder_has_few_rooms_and_arrows_and_no_circle() -> None:
    graph: dict[str, set[str]] = {}
    for module, imported in list_imports(BUILDER):
        one, other = room_of_builder(module), room_of_builder(imported)
        if one != other:
            graph.setdefault(one, set()).add(other)
    rooms = {*graph, *(name for others in graph.values() for name in others)}
    assert len(rooms) <= 12, rooms
    assert sum(map(len, graph.values())) <= 35, graph
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_a_recipe_knows_no_semester_and_only_the_stages_that_it_is_given() -> None:
    imported = {(one, other) for one, other in list_imports(BUILDER) if room_of_builder(one) == "recipes"}
    assert imported
    assert not [pair for pair in imported if room_of_builder(pair[1]) in ("semester", "recipes", "commands", "cli")]
