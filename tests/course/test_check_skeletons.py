"""Each practical: what the student starts from has the functions of the solution, and those that are checked."""

import ast
from pathlib import Path

import pytest
from course_tools.check.practicals import PRACTICALS
from course_tools.check.student_code import is_stub, select
from course_tools.check.student_file import read_code

CONTENT = Path(__file__).parents[2] / "course_content/practicals"

Signatures = dict[str, list[str]]


def read_signatures(path: Path) -> Signatures:
    """The arguments of the functions of a file."""
    functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return {function.name: [argument.arg for argument in function.args.args] for function in functions}


def find_skeleton(number: int) -> Path:
    """The .py file that the student fills in."""
    folder = CONTENT / f"practical-{number}"
    return next(path for name in PRACTICALS[number].files if (path := folder / name).suffix == ".py" and path.is_file())


@pytest.mark.parametrize("number", PRACTICALS)
def test_skeleton_and_statement_and_solution_have_the_same_functions(number: int) -> None:
    solution = read_signatures(CONTENT / f"practical-{number}/solutions/practical_{number}.py")
    for path in (find_skeleton(number), CONTENT / f"practical-{number}/practical-{number}.nb.py"):
        for name, arguments in read_signatures(path).items():
            if name in solution:
                assert solution[name][: len(arguments)] == arguments, f"{path.name}: {name}"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_exercise_has_a_place_to_write_it(number: int) -> None:
    names = PRACTICALS[number].names
    folder = CONTENT / f"practical-{number}"
    assert set(names) <= set(read_signatures(folder / "solutions" / f"practical_{number}.py"))
    for path in (find_skeleton(number), folder / f"practical-{number}.nb.py"):
        definitions = select(read_code(path)).definitions
        assert [name for name in names if not is_stub(definitions.get(name))] == [], path.name


@pytest.mark.parametrize("number", PRACTICALS)
def test_the_statement_tells_how_to_check(number: int) -> None:
    statement = (CONTENT / f"practical-{number}/practical-{number}.nb.py").read_text()
    assert f"\n# !course-check {number}\n" in statement
