"""Numbers that a project's statement tells, and the ranges that the smoke test of its solution asserts."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def read_means(project: str, row: str) -> list[float]:
    """Return the means "12.3 +- 4" in a row of the statement's table; those without a deviation count, too."""
    statement = (ROOT / f"course_content/projects/{project}/statement.nb.py").read_text()
    cells = re.search(rf"\| {re.escape(row)} \|(.*)", statement)
    assert cells, f"no row {row}"
    return [float(found) for found in re.findall(r"\| *([\d.]+)", f"|{cells[1]}")]


def read_ranges(project: str, kind: str) -> dict[str, tuple[float, float]]:
    """Return the ranges of a full run on "real" or "stand-in" data, by network."""
    tree = ast.parse((ROOT / f"smoke_tests/content/test_project_{project}.py").read_text())
    assigned = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    return dict(ast.literal_eval(assigned["RANGES"])[kind])
