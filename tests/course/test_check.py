"""course-check as a student starts it: which file is taken, what is told, and that no file can break it."""

import importlib
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from checked import PRACTICALS, read_solution
from cost import measure_processor
from course_tools.check import child, cli, find, practicals
from forked_check import ForkedChild
from packages import PYTHONPATH

needs_torch = pytest.mark.skipif(not find_spec("torch"), reason="torch is not installed beside pytest")

# Right in a moment, unlike practical 1.
SIGMA = "import torch\n\n\ndef sigma(x):\n    return x.tanh()\n"


def start(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run course-check in `cwd`, which is the home too."""
    variables = {"PYTHONPATH": PYTHONPATH, "HOME": str(cwd), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(
        [sys.executable, "-m", "course_tools.check.cli", *arguments],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,  # it only ends a hang
    )


def check_text(folder: Path, text: str, *options: str) -> list[str]:
    """The report on a practical_3.py with this text, without its first line."""
    (folder / "practical_3.py").write_text(text)
    done = start("3", *options, cwd=folder)
    assert done.stderr == ""
    return done.stdout.splitlines()[1:]


@pytest.fixture
def report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[], list[str]]:
    """What `course-check 3` says in the test's folder, line by line, with a child that is forked."""
    importlib.import_module("torch")  # for the child
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(child, "Child", ForkedChild)

    def run() -> list[str]:
        with pytest.raises(SystemExit):
            cli.main(["3"])
        said = capsys.readouterr()
        assert said.err == ""
        return said.out.splitlines()

    return run


@pytest.fixture
def report_text(tmp_path: Path, report: Callable[[], list[str]]) -> Callable[[str], list[str]]:
    """What `report` says of a practical_3.py with this text, without its first line."""

    def run(text: str) -> list[str]:
        (tmp_path / "practical_3.py").write_text(text)
        return report()[1:]

    return run


@needs_torch
def test_a_right_file_in_a_folder_with_blanks(tmp_path: Path) -> None:
    path = tmp_path / "my own work" / "practical 3 (final).py"
    path.parent.mkdir()
    path.write_text(read_solution(3))
    done = start("3", path, cwd=tmp_path)
    names = ("sigma", "dsigma", "loss", "dloss", "forward_pass", "backward_pass")
    first, *lines, last = done.stdout.splitlines()
    assert first == "practical 3: my own work/practical 3 (final).py"
    assert lines == [f"ok     {name}" for name in names]
    assert (last, done.returncode, done.stderr) == ("all 6 right", 0, "")


@needs_torch
def test_what_is_right_wrong_and_missing_is_counted(report_text: Callable[[str], list[str]]) -> None:
    lines = report_text(SIGMA + "def dsigma(x): return x\ndef loss(v, t): ...\n")
    assert lines == [
        "ok     sigma",
        "wrong  dsigma: gives 0.5000 at x = 0.5, but the slope of tanh is 0.7864 there",
        "todo   loss: not done yet",
        "todo   dloss: not done yet, nothing in the file has this name",
        "todo   forward_pass: not done yet, nothing in the file has this name",
        "todo   backward_pass: not done yet, nothing in the file has this name",
        "1 of 6 right, 1 wrong, 4 not done",
    ]


@needs_torch
@pytest.mark.slow
def test_an_endless_loop_ends_and_the_others_are_checked(tmp_path: Path) -> None:
    text = "def sigma(x):\n    while True: pass\n" + SIGMA.replace("sigma", "other")
    text += "def loss(v, t): return (v - t).pow(2).sum()\n"
    lines: list[str] = []
    seconds = measure_processor(lambda: lines.extend(check_text(tmp_path, text, "--time-limit", "2")))
    assert lines[0] == "wrong  sigma: takes more than 2 s: does a loop never end?"
    assert lines[2] == "ok     loss"
    assert lines[-1] == "1 of 6 right, 1 wrong, 4 not done"
    assert seconds < 20, "of the processor, which the loop takes while it runs: twice torch's import, and the limit"


# Has one second of the processor, or as much of the clock, and then sends a message.
WORKER = """
import os, sys, time
now = {"works": time.process_time, "sleeps": time.monotonic}[sys.argv[1]]
end = now() + 1
while now() < end:
    "works" == sys.argv[1] or time.sleep(0.1)
os.write(int(sys.argv[2]), b"{}\\n")
time.sleep(60)
"""


@pytest.fixture
def make_child() -> Iterator[Callable[[str], child.Child]]:
    """Make a child that runs WORKER on the first of this process's processors, beside four busy programs."""
    processor = min(os.sched_getaffinity(0))
    pinned = ["taskset", "--cpu-list", str(processor), sys.executable, "-c"]
    busy = [subprocess.Popen([*pinned, "while True: pass"]) for _ in range(4)]
    made: list[child.Child] = []

    def make(what: str) -> child.Child:
        reader, writer = os.pipe()
        new = child.Child.__new__(child.Child)
        argv = [*pinned, WORKER, what, str(writer)]
        new.process = subprocess.Popen(argv, pass_fds=[writer], start_new_session=True)
        os.close(writer)
        new.reader, new.buffer = reader, b""
        made.append(new)
        return new

    yield make
    for one in made:
        one.stop()
    for other in busy:
        other.kill()
        other.wait()


def test_time_that_other_programs_take_does_not_count(
    make_child: Callable[[str], child.Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One second of the processor takes about five here, and many more where this machine has more to do."""
    monkeypatch.setattr(child, "BUSIEST", 1000)
    assert make_child("works").read(2.5) == {}


def test_time_in_which_nothing_is_done_counts(make_child: Callable[[str], child.Child]) -> None:
    with pytest.raises(TimeoutError):
        make_child("sleeps").read(0.2)


# (body, what is told of it): each function of a file does one of these. A body is told by its line, LAST is the file's.
WHATEVER = {
    "ends": [
        ("os._exit(0)", "ends Python: return a value instead"),
        ("os.kill(os.getpid(), 9)", "Python was killed, most likely for too much memory"),
        ("os.abort()", "Python crashed (SIGABRT)"),
    ],
    "stops": [
        ("sys.exit('bye')", "LINE: ends the program: return a value instead"),
        ("return float(input('x? '))", "LINE: asks for input: nobody is there to answer"),
        ("return loss(v, t)", "LINE: calls itself without end"),
    ],
    "raises": [
        ("raise KeyError('a\\nb\\x1b[31m')", "LINE: KeyError: 'a\\nb\\x1b[31m'"),
        ("raise ValueError('one\\ntwo')", "LINE: ValueError: one"),
        ("return nothing.x", "LINE: needs nothing: line 1: ModuleNotFoundError: No module named 'nosuchmodule'"),
        (
            "return data * 2",
            "LINE: needs data, which LAST makes while the program runs: use the arguments, or make it in the function",
        ),
    ],
}


@needs_torch
@pytest.mark.parametrize("what", WHATEVER)
def test_whatever_a_function_does_is_one_line(report_text: Callable[[str], list[str]], what: str) -> None:
    signatures = ("sigma(x)", "dsigma(x)", "loss(v, t)", "dloss(v, t)")
    text, expected = "import nosuchmodule as nothing\nimport os, sys\n", []
    for signature, (body, told) in zip(signatures, WHATEVER[what], strict=False):
        text += f"def {signature}:\n    {body}\n"
        expected.append(f"wrong  {signature.split('(')[0]}: {told.replace('LINE', f'line {text.count(chr(10))}')}")
    last = f"line {text.count(chr(10)) + 1}"
    lines = report_text(text + "data = open('x').read()\n")
    assert lines[: len(expected)] == [line.replace("LAST", last) for line in expected]
    assert lines[-1] == f"0 of 6 right, {len(expected)} wrong, {6 - len(expected)} not done"


@needs_torch
def test_what_stands_outside_of_functions_does_no_harm(tmp_path: Path) -> None:
    text = """
import os, sys
print("noise" * 100000)
print("noise" * 100000, file=sys.stderr)
os.chdir("/")
answer = input("continue? ")
train_input = torch_load("data.pt")
for step in range(10**12):
    pass
sys.exit(3)
"""
    noisy = SIGMA + text + "def loss(v, t):\n    print('noise' * 100000)\n    return (v - t).pow(2).sum()\n"
    lines = check_text(tmp_path, noisy)
    assert [lines[0], lines[2]] == ["ok     sigma", "ok     loss"]


@needs_torch
def test_a_neighbour_is_imported_and_one_that_fails_is_told(
    tmp_path: Path, report_text: Callable[[str], list[str]]
) -> None:
    (tmp_path / "mine.py").write_text("def tanh(x): return x.tanh()\n")
    (tmp_path / "broken.py").write_text("import sys\nsys.exit('no')\n")
    text = (
        "from mine import tanh\nimport broken\ndef sigma(x): return tanh(x)\ndef loss(v, t): return broken.loss(v, t)"
    )
    lines = report_text(text)
    assert lines[0] == "ok     sigma"
    assert lines[2] == "wrong  loss: line 4: needs broken: line 2: SystemExit: no"


@needs_torch
def test_a_notebook_with_magics_is_checked_cell_by_cell(tmp_path: Path, report: Callable[[], list[str]]) -> None:
    cells = [
        "%matplotlib inline\nimport torch",
        "!ls",
        "def sigma(x):\n    return x.tanh()",
        "def dsigma(x):\n    return y",
    ]
    content = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    (tmp_path / "practical-3.ipynb").write_text(json.dumps(content))
    assert report()[:3] == [
        "practical 3: practical-3.ipynb",
        "ok     sigma",
        "wrong  dsigma: cell 4, line 2: NameError: name 'y' is not defined",
    ]


@needs_torch
def test_functions_that_are_hidden_or_have_a_similar_name_are_found(report_text: Callable[[str], list[str]]) -> None:
    text = "if __name__ == '__main__':\n    def sigma(x): return x.tanh()\ndef d_sigma(x): return x\nloss = make()\n"
    assert report_text(text + "dloss = 3\ndef make(): return 1")[:4] == [
        "wrong  sigma: line 2 defines it inside another block: move it to the left margin",
        "wrong  dsigma: not in the file, but d_sigma is: is it the same with another name?",
        "wrong  loss: line 4 computes it while the program runs: define it with def or class",
        "wrong  dloss: is int 3, not a function",
    ]


@needs_torch
def test_an_import_that_ends_python_is_told(tmp_path: Path) -> None:
    (tmp_path / "rude.py").write_text("import os\nos._exit(3)\n")
    (tmp_path / "practical_3.py").write_text("import rude\n" + SIGMA)
    done = start("3", cwd=tmp_path)
    told = "course-check: practical_3.py: one of its imports: ends Python: return a value instead\n"
    assert (done.stderr, done.returncode) == (told, 2)


@needs_torch
def test_the_file_that_is_taken_is_named_with_the_one_that_is_not(tmp_path: Path) -> None:
    (tmp_path / "practicals/practical-3").mkdir(parents=True)
    (tmp_path / "practical_3.py").write_text(SIGMA)
    (tmp_path / "practicals/practical-3/practical_3.py").write_text("def sigma(:")
    os.utime(tmp_path / "practical_3.py", (1, 1))
    first = start("3", cwd=tmp_path).stdout.splitlines()[0]
    assert first == "practical 3: practicals/practical-3/practical_3.py, which you changed after practical_3.py"


@needs_torch
def test_a_syntax_error_is_one_line_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "practical_3.py").write_text("def sigma(x:\n    return x\n")
    done = start("3", cwd=tmp_path)
    assert done.stdout.splitlines()[1:] == ["wrong  practical_3.py, line 1: '(' was never closed"]
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["7"], "invalid choice: 7"),
        (["x"], "invalid int value: 'x'"),
        ([], "the following arguments are required: N"),
        (["3"], "no practical_3.py or practical-3.ipynb in this folder, practicals/practical-3 or the course's folder"),
        (["3", "nothing.py"], "nothing.py: cannot be read: No such file or directory"),
        (["3", "."], ". holds no file of practical 3, as practical_3.py"),
        (["3", "a.txt"], "a.txt: neither a .py file nor a notebook (.ipynb)"),
        (["3", "a.ipynb"], "a.ipynb: not a notebook: save it again in JupyterLab"),
        (["3", "loop.py"], "loop.py: cannot be read: "),
    ],
)
def test_what_cannot_be_checked_is_one_line_and_status_2(tmp_path: Path, arguments: list[str], told: str) -> None:
    (tmp_path / "a.txt").touch()
    (tmp_path / "a.ipynb").touch()
    (tmp_path / "loop.py").symlink_to("loop.py")
    done = start(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_help_needs_no_torch(tmp_path: Path) -> None:
    program = "import sys, course_tools.check.cli; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 0
    assert "course-check" in start("--help", cwd=tmp_path).stdout


@needs_torch
@pytest.mark.parametrize(("variables", "expected"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_only_where_they_are_wanted(tmp_path: Path, variables: dict[str, str], expected: bool) -> None:
    (tmp_path / "practical_3.py").write_text("def sigma(x: 1")
    leader, follower = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment |= {"PYTHONPATH": PYTHONPATH, "TERM": "xterm", **variables}
    argv = [sys.executable, "-m", "course_tools.check.cli", "3"]
    subprocess.run(argv, cwd=tmp_path, env=environment, stdout=follower, check=False)
    os.close(follower)
    assert (b"\033[31mwrong\033[0m" in os.read(leader, 65536)) is expected
    os.close(leader)


class TestWhichFile:
    practical = practicals.PRACTICALS[3]

    def write(self, path: Path, text: str, age: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (time.time() - age, time.time() - age))
        return path

    def test_the_last_changed_of_those_that_were_changed(self, tmp_path: Path) -> None:
        skeleton = (PRACTICALS / "practical-3/practical_3.py").read_text()
        self.write(tmp_path / "a/practical_3.py", skeleton, age=1)
        newer = self.write(tmp_path / "b/practical_3.py", SIGMA, age=10)
        older = self.write(tmp_path / "c/practical_3.py", SIGMA, age=20)
        folders = [tmp_path / name for name in ("a", "b", "c", "nothing")]
        assert find.find_files(3, self.practical, folders) == [newer, older]

    def test_an_untouched_one_where_there_is_nothing_else(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "practical_3.py", "def sigma(x): ...", age=0)
        assert find.find_files(3, self.practical, [tmp_path]) == [path]

    def test_one_with_a_syntax_error_was_changed(self, tmp_path: Path) -> None:
        broken = self.write(tmp_path / "a/practical_3.py", "def sigma(", age=10)
        self.write(tmp_path / "b/practical_3.py", "def sigma(x): ...", age=0)
        assert find.find_files(3, self.practical, [tmp_path / "a", tmp_path / "b"]) == [broken]

    def test_a_notebook_beside_the_file(self, tmp_path: Path) -> None:
        file = self.write(tmp_path / "practical_3.py", SIGMA, age=10)
        notebook = {"cells": [{"cell_type": "code", "source": "def sigma(x): return 1"}]}
        path = self.write(tmp_path / "practical-3.ipynb", json.dumps(notebook), age=1)
        assert find.find_files(3, self.practical, [tmp_path]) == [path, file]

    def test_folders_are_those_of_the_course(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "etc/course").mkdir(parents=True)
        fields = ("code", "title", "institution", "semester", "name", "slug", "user")
        values = dict.fromkeys(fields, "x") | {"slug": "ee559", "access": "open", "product": "cpu", "version": "1"}
        (tmp_path / "etc/course/course.json").write_text(json.dumps(values | {"jupyter_port": 1, "ssh_port": 2}))
        folders = find.list_folders(3, find.Machine(root=tmp_path))
        assert folders[:3] == [Path(), Path("practicals/practical-3"), Path("practical-3")]
        assert folders[3] == tmp_path / "ee559/practicals/practical-3"


def test_without_torch_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "practical_3.py").write_text(SIGMA)
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        cli.main(["3", str(tmp_path / "practical_3.py")])
    assert ended.value.code == 2
    assert "has no torch: use the course's own Python" in capsys.readouterr().err
