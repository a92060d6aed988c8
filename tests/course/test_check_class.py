"""course-check on a folder, for programs (--json), and beside a prologue of another year."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed beside pytest: nothing of a practical can be checked here")

from course_tools.check import child, cli, find, practicals, prologue
from forked_check import ForkedChild

RIGHT = Path(__file__).parent / "right/practical_3/exp_2018.py"
WRONG = "def sigma(x): return x\ndef dsigma(x): ...\n"
OLD = "raise RuntimeError('of another year')\n"


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[list[str], str, int]]:
    """Run course-check in the test's folder: its lines, its errors and its status; its child is forked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(child, "Child", ForkedChild)

    def act(*arguments: str) -> tuple[list[str], str, int]:
        with pytest.raises(SystemExit) as ended:
            cli.main([*arguments])
        said = capsys.readouterr()
        return said.out.splitlines(), said.err, int(ended.value.code or 0)

    return act


def write_class(folder: Path) -> None:
    """A folder of four students, one of them with a notebook, and of files that are none of this practical."""
    texts = {
        "anna/practical_3.py": RIGHT.read_text(),
        "bert/my solution.py": WRONG,
        "carl/practical_3.py": "x = (1",
        "dora/practical_3.py": "import rude\ndef sigma(x): return x.tanh()\n",
        "dora/rude.py": "import os\nos._exit(3)\n",
        "emil/practical_4.py": "def loss(v, t): return 0\n",
        "emil/.hidden/practical_3.py": WRONG,
        "emil/notes.txt": "sigma",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_a_class_is_a_line_for_each_file(tmp_path: Path, run: Callable[..., tuple[list[str], str, int]]) -> None:
    write_class(tmp_path / "class")
    lines, errors, status = run("3", "class", "--json", "found.json")
    assert lines == [
        "practical 3: 4 files in class",
        "file                 right  wrong   todo  notes  not right",
        "anna/practical_3.py      6      0      0      0",
        "bert/my solution.py      0      1      5      0  sigma, dsigma, loss, dloss, forward_pass, backward_pass",
        "carl/practical_3.py      0      0      0      0  practical_3.py, line 1: '(' was never closed",
        "dora/practical_3.py      0      0      0      0"
        "  practical_3.py: one of its imports: ends Python: return a value instead",
        "1 of 4 files all right",
    ]
    assert (errors, status) == ("", 1)
    found = json.loads((tmp_path / "found.json").read_text())
    assert [file["right"] for file in found["files"]] == [True, False, False, False]
    assert found["files"][1]["exercises"][1] == {
        "label": "dsigma", "status": "todo", "lines": ["dsigma: not done yet"], "notes": [],
    }  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["class", "found.json"]


def test_a_file_that_takes_too_long_does_not_keep_the_next_one(
    tmp_path: Path, run: Callable[..., tuple[list[str], str, int]]
) -> None:
    (tmp_path / "a.py").write_text("def sigma(x):\n    while True: pass\n")
    (tmp_path / "b.py").write_text(RIGHT.read_text())
    lines, _, status = run("3", ".", "--time-limit", "0.5", "--file-limit", "0.1")
    assert "not checked to its end: takes more than 0.1 s" in lines[2]
    assert lines[3].startswith("b.py ")
    assert status == 1


def test_the_output_is_the_object_alone(tmp_path: Path, run: Callable[..., tuple[list[str], str, int]]) -> None:
    (tmp_path / "practical_3.py").write_text(WRONG)
    lines, errors, status = run("3", "practical_3.py", "--json", "-")
    found = json.loads("\n".join(lines))
    assert (found["practical"], errors, status) == (3, "", 1)
    (file,) = found["files"]
    assert (file["ok"], file["wrong"], file["todo"], file["problem"]) == (0, 1, 5, "")
    assert file["exercises"][0]["lines"][0].startswith("sigma: gives 0.5000 at x = 0.5")


def test_files_of_other_practicals_are_no_files_of_this_one(tmp_path: Path) -> None:
    write_class(tmp_path)
    names = [path.name for path in find.find_class(tmp_path, 4, practicals.PRACTICALS[4])]
    assert names == ["practical_4.py"]


def test_a_prologue_of_another_year_is_named_and_does_no_harm(
    tmp_path: Path, run: Callable[..., tuple[list[str], str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = tmp_path / "course" / prologue.FILE
    ours.parent.mkdir()
    ours.write_text("load_data = None\n")
    monkeypatch.syspath_prepend(str(ours.parent))
    (tmp_path / prologue.FILE).write_text(OLD)
    (tmp_path / "practical_3.py").write_text("from dlc_practical_prologue import load_data\n" + RIGHT.read_text())
    lines, _, _ = run("3", "practical_3.py")
    old = tmp_path / "old_prologue.py"
    assert lines[1] == (
        f"note   {tmp_path / prologue.FILE} is not this year's and hides the course's own:"
        f" mv {tmp_path / prologue.FILE} {old}"
    )
    assert lines[2:] == [f"ok     {name}" for name in practicals.PRACTICALS[3].names] + ["all 6 right"]
    (tmp_path / prologue.FILE).write_bytes(ours.read_bytes())
    assert prologue.find_hiding(tmp_path / "practical_3.py", [str(ours.parent)]) is None
