"""The texts of the projects' statements, and the numbers in programs and tests that they tell."""

import ast
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROJECTS = ROOT / "course_content/projects"


def read_text(project: str) -> str:
    """Return the words of a statement, each paragraph, list or table in one line, without programs."""
    cells = re.split(r"^# %%", (PROJECTS / project / "statement.nb.py").read_text(), flags=re.MULTILINE)
    text = "\n\n".join(
        re.sub(r"^# ?", "", cell, flags=re.MULTILINE) for cell in cells if cell.startswith(" [markdown]")
    )
    text = re.sub(r"```.*?```", "", text.replace(" [markdown]\n", ""), flags=re.DOTALL)
    return re.sub(r"(?<!\n)\n *(?!\n)", " ", text)


def read_constants(path: str) -> dict[str, Any]:
    """Return the literals that a module of the repository assigns at its top, by name."""
    constants: dict[str, Any] = {}
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, ast.Assign):
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue
            names = node.targets[0]
            several = [*zip(names.elts, value, strict=True)] if isinstance(names, ast.Tuple) else [(names, value)]
            constants |= {ast.unparse(name): each for name, each in several}
    return constants
