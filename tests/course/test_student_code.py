"""Which part of a student's file is executed, and what is told of one that cannot be read."""

import ast
import json
from pathlib import Path

import pytest
from course_tools.check.student_code import find_loop, is_stub, select
from course_tools.check.student_file import Code, UnusableFileError, prepare_cell, read_code


def parse(text: str) -> Code:
    return Code(Path("x.py"), ast.parse(text).body)


def keep(text: str, *asked: str) -> list[str]:
    """What of `text` is executed, statement by statement."""
    return [ast.unparse(ast.fix_missing_locations(part)) for part in select(parse(text), asked).statements]


def write_notebook(path: Path, *cells: str | list[str]) -> Path:
    content = [{"cell_type": "code", "source": cell} for cell in cells]
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": "# x\n"}, *content]}))
    return path


@pytest.mark.parametrize(
    "statement",
    [
        "print('hello')",
        "for i in range(10**9): pass",
        "while True: pass",
        "os.chdir('/')",
        "sys.exit(1)",
        "train(model)",
        "with torch.no_grad(): train(model)",
        "assert False",
        "raise SystemExit",
        "del sys",
        "if __name__ == '__main__':\n    main()",
        "if '__main__' == __name__:\n    x = 1",
        "x = input()",
        "unused = torch.randn(10000, 10000)",
        "torch.set_grad_enabled(False)",
    ],
)
def test_what_only_acts_is_left_out(statement: str) -> None:
    assert keep(f"{statement}\ndef f(): return 1") == ["def f():\n    return 1"]


@pytest.mark.parametrize(
    "statement",
    [
        "import torch",
        "from torch import nn as n, Tensor",
        "class A(nn.Module):\n\n    def forward(self, x):\n        return x",
        "@decorated\ndef g():\n    pass",
        "eta = 0.1",
        "eta: float = 0.1",
        "eta = eps = 0.1",
        "eta, eps = (0.1, 0.2)",
        "eta = lambda x: g(x)",
        "eta = torch.tensor(1.0)",
        "eta = g",
        "if torch.cuda.is_available():\n    eta = 1\nelse:\n    eta = 2",
        "try:\n    import tqdm\nexcept ImportError:\n    tqdm = None",
    ],
)
def test_what_defines_something_is_executed(statement: str) -> None:
    text = f"{statement}\n\ndef f(x):\n    return eta * eps * tqdm"
    assert keep(text, "g") == [*statement.split("\n\n\n"), "def f(x):\n    return eta * eps * tqdm"]


@pytest.mark.parametrize(
    "value",
    ["g()", "A().cuda()", "torch.load('x')", "prologue.load_data()", "prologue.generate_pair_sets(9)",
     "open('x').read()", "[g() for _ in range(3)]", "datasets.MNIST('.')", "input('n? ')", "skipped + 1"],
)  # fmt: skip
def test_values_that_act_or_load_are_left_out_though_they_are_needed(value: str) -> None:
    text = f"skipped = g()\neta = {value}\ndef g(): return eta, skipped\nclass A: pass"
    selection = select(parse(text))
    assert len(selection.statements) == 2
    assert selection.left_out["eta"] == 2


def test_only_needed_values_are_computed_and_what_they_are_made_from() -> None:
    assert keep("a = 1\nb = a + 1\nc = 3\ndef f(): return b") == ["a = 1", "b = a + 1", "def f():\n    return b"]


def test_a_value_that_is_asked_for_is_computed() -> None:
    assert keep("sigma = torch.tanh", "sigma") == ["sigma = torch.tanh"]


def test_definitions_that_are_not_executed_are_known() -> None:
    selection = select(parse("if __name__ == '__main__':\n    def f(): return 1\nfor i in x:\n    def g(): return 1"))
    assert selection.hidden == {"f": 2, "g": 4}


def test_the_last_definition_counts() -> None:
    selection = select(parse("def f(): ...\ndef f(): return 1"))
    assert not is_stub(selection.definitions["f"])


@pytest.mark.parametrize("body", ["...", "pass", "'what'", "'what'\n    raise NotImplementedError",
                                  "raise NotImplementedError('exercise 1')", "'what'\n    ..."])  # fmt: skip
def test_an_empty_body_is_a_stub(body: str) -> None:
    assert is_stub(ast.parse(f"def f():\n    {body}").body[0])


@pytest.mark.parametrize("body", ["return 1", "x = 1", "raise ValueError", "'what'\n    return None"])
def test_any_other_body_is_none(body: str) -> None:
    assert not is_stub(ast.parse(f"def f():\n    {body}").body[0])


@pytest.mark.parametrize("body", [
    "for x in m: pass", "while m: pass", "return [x for x in m]", "return {x for x in m}", "return {x: 1 for x in m}",
    "return sum(x for x in m)", "return list(map(g, m))", "return m.apply_(g)", "return f(m[1:])", "return h(m)",
    "def inner():\n        for x in m: pass\n    return inner()",
])  # fmt: skip
def test_loops_are_found_wherever_they_hide(body: str) -> None:
    text = f"def g(x): return x\ndef h(m):\n    for x in m: pass\ndef f(m):\n    {body}"
    assert find_loop("f", select(parse(text)).definitions)


@pytest.mark.parametrize("body", ["return m * 2", "return g(m)", "return torch.stack((m, m))", "return m.map"])
def test_no_loop_is_found_where_there_is_none(body: str) -> None:
    assert not find_loop("f", select(parse(f"def g(x): return x\ndef f(m):\n    {body}")).definitions)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("!ls\nx = 1", "pass\nx = 1"),
        ("if x:\n    !ls", "if x:\n    pass"),
        ("files = !ls", "files = []"),
        ("seconds = %timeit -o f()", "seconds = []"),
        ("torch.full?", "pass"),
        ("?torch.full", "pass"),
        ("%%time\nx = 1", "\nx = 1"),
        ("\n%%capture out\nx = 1", "\n\nx = 1"),
        ("%%bash\nls -l\nrm x", "\n\n"),
        ("%%writefile x.py\nx = 1", "\n"),
        ("x = (7\n% 3)", "x = (7\n% 3)"),
        ("x = 1  # why?", "x = 1  # why?"),
    ],
)
def test_what_only_notebooks_understand_is_replaced_line_by_line(cell: str, expected: str) -> None:
    assert prepare_cell(cell) == expected


def test_places_in_a_notebook_are_cells_and_lines(tmp_path: Path) -> None:
    code = read_code(
        write_notebook(tmp_path / "x.ipynb", "%time\nx = 1", ["def f():\n", "    return 1"], "def g(): ...")
    )
    assert code.problems == []
    definitions = select(code).definitions
    assert code.place(definitions["f"].lineno) == "cell 2, line 1"  # type: ignore[attr-defined]
    assert code.place(definitions["f"].lineno + 1) == "cell 2, line 2"  # type: ignore[attr-defined]
    assert code.place(definitions["g"].lineno) == "cell 3, line 1"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"x = (1", "x.py, line 1: '(' was never closed"),
        (b"def f():\nreturn 1", "x.py, line 2: expected an indented block after function definition on line 1"),
        (
            b"\xff\xfe",
            "x.py, line 1: (unicode error) 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        ),
        (b"x = 1\n  y = 2", "x.py, line 2: unexpected indent"),
    ],
)
def test_a_syntax_error_is_one_line(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "x.py").write_bytes(content)
    assert read_code(tmp_path / "x.py").problems == [told]


def test_a_syntax_error_in_a_notebook_names_its_cell(tmp_path: Path) -> None:
    assert read_code(write_notebook(tmp_path / "x.ipynb", "x = 1", "y = 1\ndef f(:")).problems == [
        "x.ipynb, cell 2, line 2: invalid syntax"
    ]


def test_zero_bytes_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_bytes(b"x = 1\0")
    assert len(read_code(tmp_path / "x.py").problems) == 1


@pytest.mark.parametrize(("name", "content", "told"), [
    ("x.txt", "x", "neither a .py file nor a notebook"),
    ("x.ipynb", "{", "not a notebook"),
    ("x.ipynb", "[]", "not a notebook"),
    ("x.ipynb", '{"cells": [{"cell_type": "code"}]}', "not a notebook"),
])  # fmt: skip
def test_what_cannot_be_checked_is_told(tmp_path: Path, name: str, content: str, told: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UnusableFileError, match=told):
        read_code(tmp_path / name)


def test_a_folder_and_a_missing_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match="is a folder"):
        read_code(tmp_path)
    with pytest.raises(UnusableFileError, match="cannot be read: No such file or directory"):
        read_code(tmp_path / "x.py")
