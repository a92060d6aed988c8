"""course-submit: what graders would stumble over is found, and nothing is left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed beside pytest: no project can be run here")

from cost import read_processor
from course_tools.submit import launch, project_sources, runner, submission
from course_tools.submit.page import LONGEST_PAGE, format_page
from waiting import wait_until

SOURCES = Path(__file__).parents[2] / "course_content/tools/src"
GOOD = 'print("test error 1.5 %")\n'
LIMIT = 1200  # seconds: it only ends a hang


@dataclass
class Result:
    status: int
    page: str
    errors: str
    found: dict[str, Any]

    @property
    def verdict(self) -> str:
        return self.page.splitlines()[-1]

    @property
    def run(self) -> dict[str, Any]:
        return dict(self.found["runs"][0])

    def list_problems(self) -> list[str]:
        return [*self.found["problems"], *(problem for run in self.found["runs"] for problem in run["problems"])]

    def list_notes(self) -> list[str]:
        return [*self.found["notes"], *(note for run in self.found["runs"] for note in run["notes"])]


Submit = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder to hand in."""
    folder = tmp_path / "Proj1"
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The student's home."""
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def environment(tmp_path: Path, home: Path) -> dict[str, str]:
    """The student's environment: temporary files go where the test can look for them."""
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    keep = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LD_LIBRARY_PATH")}
    return {**keep, "HOME": str(home), "TMPDIR": str(scratch), "PYTHONPATH": str(SOURCES)}


@pytest.fixture
def submit(tmp_path: Path, folder: Path, environment: dict[str, str]) -> Submit:
    """Run course-submit on `folder`, with this test.py, and look at what it leaves behind."""

    def run(test: str | None = None, *arguments: str, source: Path = folder, **variables: str) -> Result:
        if test is not None:
            (folder / "test.py").write_text(test)
        results = tmp_path / "results.json"
        argv = [sys.executable, "-m", "course_tools.submit.cli", str(source), "--json", str(results), *arguments]
        done = subprocess.run(
            argv,
            env={**environment, **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert list((tmp_path / "tmp").iterdir()) == [], "something is left behind"
        found = json.loads(results.read_text()) if results.exists() else {}
        assert len(done.stdout.splitlines()) <= LONGEST_PAGE
        assert "Traceback" not in done.stderr
        return Result(done.returncode, done.stdout, done.stderr, found)

    return run


def count_matching(lines: list[str], part: str) -> int:
    return sum(part in line for line in lines)


def test_a_good_submission(submit: Submit, folder: Path) -> None:
    (folder / "report.pdf").write_bytes(b"%PDF-1.4 /Type /Pages /Type /Page\n/Type/Page >>")
    (folder / "model.py").write_text("NB_UNITS = 25\n")
    result = submit(GOOD + "import model\nopen('errors.txt', 'w').write('1.5')\n")
    assert result.status == 0, result.page
    assert result.list_problems() == [] and result.list_notes() == []
    assert re.match(r"A grader would see: test\.py ends well after \d+ s, nothing forbidden", result.verdict)
    assert "    | test error 1.5 %" in result.page
    assert result.run["wrote"] == ["errors.txt (3 bytes)"]
    assert result.run["peak_memory"] > 5 << 20
    assert "3 files" in result.page and "as a zip archive" in result.page
    assert not (folder / "errors.txt").exists(), "the student's own folder is not touched"


def test_the_program_runs_as_with_python_test_py(submit: Submit) -> None:
    """Its folder first on the path, no arguments, itself as __main__, an empty home, the student's user."""
    result = submit("""
import json, os, sys
print(json.dumps({
    "name": __name__, "file": __file__, "arguments": sys.argv, "path": sys.path[0] == os.getcwd(), "uid": os.getuid(),
    "home": os.listdir(os.path.expanduser("~")), "user_site": sys.flags.no_user_site,
    "secret": os.environ.get("SECRET"), "input": sys.stdin.read(), "course": sys.path[-1],
    "modules": sorted(name for name in ("torch", "json.tool", "socket") if name in sys.modules),
}))
import course_tools
""", SECRET="abc", PYTHONSTARTUP="/nowhere", PYTHONWARNINGS="error")  # fmt: skip
    assert result.status == 0, result.page
    printed = json.loads(result.run["output"])
    assert printed.pop("file").endswith("/test.py")
    course = printed.pop("course")
    assert course == str(SOURCES) or (Path(course) / runner.PROLOGUE).is_file()
    assert printed == {
        "name": "__main__", "arguments": ["test.py"], "path": True, "uid": os.getuid(), "home": [], "user_site": 1,
        "secret": None, "input": "", "modules": [],
    }  # fmt: skip


@pytest.mark.parametrize("means", [launch.NAMESPACE, launch.FILTER, ""])
def test_network_is_not_there_whatever_the_machine_allows(submit: Submit, means: str) -> None:
    result = submit(
        """
import socket, urllib.request
try:
    print(urllib.request.urlopen("http://data.example.org/set.zip", timeout=5))
except OSError as error:
    print("FAILED", error)
try:
    print(socket.create_connection(("192.0.2.1", 80), timeout=5))
except OSError as error:
    print("FAILED", error)
left, right = socket.socketpair()
left.send(b"local sockets work\\n")
print(right.recv(99).decode())
""",
        COURSE_SUBMIT_MEANS=means,
    )
    assert result.run["output"].count("FAILED") == 2, result.page
    assert "local sockets work" in result.run["output"]
    assert result.status == 1
    assert (
        count_matching(result.list_problems(), "tries to reach the network, graders have none: data.example.org") == 1
    )
    assert count_matching(result.list_problems(), "graders have none: 192.0.2.1") == 1
    used = result.run["isolation"]
    if used != means and means:
        pytest.skip(f"{means}: this machine does not allow it ({used} instead)")
    assert f"no network ({used})" in result.page
    assert ("cannot take it away completely" in result.page) == (used == launch.HOOK)


@pytest.mark.parametrize("means", [launch.NAMESPACE, launch.FILTER])
def test_other_programs_have_no_network_either(submit: Submit, means: str) -> None:
    """A Python that nobody watches stands for curl and its like."""
    code = "import socket; socket.socket().connect((chr(49) + '92.0.2.1', 80))"
    result = submit(
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-I', '-S', '-c', {code!r}], timeout={LIMIT})\n",
        COURSE_SUBMIT_MEANS=means,
    )
    if result.run["isolation"] != means:
        pytest.skip(f"{means}: this machine does not allow it")
    assert "Network is unreachable" in result.run["output"]


def test_loopback_works_in_a_namespace(submit: Submit) -> None:
    result = submit(
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "client = socket.create_connection(server.getsockname())\nprint('connected')\n",
        COURSE_SUBMIT_MEANS=launch.NAMESPACE,
    )
    if result.run["isolation"] != launch.NAMESPACE:
        pytest.skip("this machine allows no network namespace")
    assert result.status == 0, result.page


def test_a_package_of_the_students_home_is_not_seen(submit: Submit, home: Path) -> None:
    site = home / f".local/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    site.mkdir(parents=True)
    (site / "tqdmm.py").write_text("")
    result = submit("import tqdmm\n")
    assert result.status == 1
    assert "module tqdmm is not in the course's environment: it is in your home (~/.local" in result.page
    assert "ModuleNotFoundError: No module named 'tqdmm'" in result.verdict


def test_a_package_on_the_students_path_is_not_seen(submit: Submit, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/clickk.py").write_text("")
    result = submit("import clickk\n", PYTHONPATH=f"{SOURCES}{os.pathsep}{tmp_path / 'lib'}")
    assert f"it is in {tmp_path / 'lib'} only" in "\n".join(result.list_problems())


def test_a_package_that_is_nowhere(submit: Submit) -> None:
    result = submit("try:\n    import tqdmm\nexcept ImportError:\n    print('without')\nimport json\n")
    assert result.status == 0
    assert (
        count_matching(result.list_notes(), "tqdmm is not in the course's environment: it is not on this machine") == 1
    )


def test_an_endless_loop(submit: Submit) -> None:
    before = read_processor()
    result = submit("print('epoch 1')\nwhile True: pass\n", "--time-limit", "1")
    assert read_processor() - before < 4, "of the processor, which the loop takes while it runs"
    assert result.status == 1
    assert result.run["timed_out"] and result.run["seconds"] >= 1, "its own, however long its sandbox took to start"
    assert "test.py was still running after 1 s and was ended" in result.verdict
    assert "    | epoch 1" in result.page, "what was printed until then"


def test_a_program_that_ignores_signals_and_closed_its_output(submit: Submit) -> None:
    test = (
        "import os, signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\nos.close(1); os.close(2)\nwhile 1: pass"
    )
    assert submit(test, "--time-limit", "1").run["timed_out"]


CHILDREN = """
import os, subprocess, sys
subprocess.Popen(["sleep", "{seconds}"])
subprocess.Popen(["sleep", "{seconds}"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "{seconds}"])
    os._exit(0)
print("done")
{end}
"""


def is_running(words: list[bytes]) -> bool:
    """Whether a process with this command line runs."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().split(b"\0")[: len(words)] == words:
                return True
        except OSError:
            continue
    return False


@pytest.mark.parametrize(("end", "limit"), [("", LIMIT // 2), ("while True: pass", 1)])
def test_children_do_not_survive(submit: Submit, end: str, limit: int) -> None:
    """Not even those in a session of their own, whose parent is gone."""
    seconds = f"31{os.getpid()}"
    result = submit(CHILDREN.format(seconds=seconds, end=end), "--time-limit", str(limit))
    assert result.status == 1
    assert not is_running([b"sleep", seconds.encode()])
    if not end:
        assert count_matching(result.list_problems(), f"leaves a program running (ended now): sleep {seconds}") == 1
        assert not result.run["timed_out"], "nobody waits for what the children could still print"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_leaves_nothing_behind(
    folder: Path, environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    seconds = f"32{os.getpid()}{number.value}"
    (folder / "test.py").write_text(CHILDREN.format(seconds=seconds, end="while True: pass"))
    argv = [sys.executable, "-m", "course_tools.submit.cli", str(folder)]
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: is_running([b"sleep", seconds.encode()]), "a child of the program")
    process.send_signal(number)
    output, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert output == "" and "Traceback" not in errors and "stopped" in errors
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not is_running([b"sleep", seconds.encode()])


def test_writing_elsewhere(submit: Submit, tmp_path: Path, home: Path) -> None:
    elsewhere = tmp_path / "elsewhere.txt"
    result = submit(
        f"open({str(elsewhere)!r}, 'w').write('x')\n"
        "import pathlib, tempfile, os\n"
        "pathlib.Path.home().joinpath('notes.txt').write_text('x')\n"
        "tempfile.mkdtemp()\nopen(os.devnull, 'w')\nos.mkdir('models')\n"
    )
    assert result.status == 1
    assert result.list_problems() == [f"writes outside its own folder: {elsewhere}"]
    assert "~/notes.txt" in result.run["wrote"]
    assert list(home.iterdir()) == [], "the student's own home is not touched"


def test_reading_a_file_of_the_students(submit: Submit, home: Path, folder: Path) -> None:
    (home / "data.csv").write_text("1")
    result = submit(f"print(open({str(home / 'data.csv')!r}).read(), open({str(folder / 'test.py')!r}).name)\n")
    assert result.status == 1
    lines = result.list_problems()
    assert count_matching(lines, f"reads a file of yours that graders do not have: {home}/data.csv") == 1
    assert count_matching(lines, f"graders do not have: {folder}/test.py") == 1


def test_absolute_paths_in_the_sources(submit: Submit, folder: Path) -> None:
    (folder / "utils.py").write_text(
        '"""/home/me is fine here."""\nDATA = "/home/me/data"\nOTHER = ["C:\\\\data", "a/b"]\n'
    )
    result = submit(GOOD + "import utils\n")
    assert result.status == 0
    assert [note for note in result.list_notes() if "absolute" in note] == [
        "absolute path: utils.py:2: /home/me/data",
        "absolute path: utils.py:3: C:\\data",
    ]


@pytest.mark.parametrize(
    "test",
    [
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('data')\nparser.parse_args()\n",
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--d', required=True)\np.parse_args()\n",
        "import sys\nprint(sys.argv[1])\n",
    ],
)
def test_arguments(submit: Submit, test: str) -> None:
    result = submit(test)
    assert result.status == 1
    assert "test.py wants arguments" in result.verdict


def test_the_keyboard(submit: Submit) -> None:
    result = submit("answer = input('Train? ')\n")
    assert result.status == 1
    assert "waits for the keyboard" in result.verdict


def test_a_traceback(submit: Submit) -> None:
    result = submit("def f(x):\n    return 1 / x\nprint('epoch 1')\nf(0)\n")
    assert result.status == 1
    assert result.verdict == "A grader would see: test.py ends with exit status 1: ZeroDivisionError: division by zero"
    assert "    | epoch 1" in result.page


def test_a_crash(submit: Submit) -> None:
    result = submit("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    assert result.status == 1
    assert "killed by SIGSEGV" in result.verdict


def test_no_python_at_all(submit: Submit) -> None:
    result = submit("print 'hello'\n")
    assert result.status == 1
    assert "SyntaxError" in result.verdict


def test_megabytes_of_output(submit: Submit) -> None:
    result = submit(
        "for i in range(100_000): print('epoch', i, 'loss ' * 20, '\\033[31mred\\033[0m')\nprint('the end')\n"
    )
    assert result.status == 0
    assert result.run["output_size"] > 9_000_000
    assert "    | the end" in result.page and "MB in all" in result.page
    assert len(result.run["output"]) <= runner.KEPT_BYTES
    assert "\033" not in result.page


def test_one_endless_line_of_output(submit: Submit) -> None:
    result = submit("import sys\nwhile True: sys.stdout.write('\\rprogress' * 100)\n", "--time-limit", "1")
    assert result.run["timed_out"]
    assert max(map(len, result.page.splitlines())) <= 120


def test_nothing_printed(submit: Submit) -> None:
    assert count_matching(submit("x = 1\n").list_notes(), "prints nothing") == 1


def test_deprecations(submit: Submit, folder: Path) -> None:
    (folder / "old.py").write_text(
        "import warnings\ndef f():\n    warnings.warn('f is old', DeprecationWarning, stacklevel=1)\n"
    )
    result = submit("import old\nold.f()\nprint('done')\n")
    assert result.status == 0
    assert count_matching(result.list_notes(), "warning: old.py:3: DeprecationWarning: f is old") == 1
    assert result.run["output"] == "done\n", "Python hides it, and so it stays"


def test_links(submit: Submit, folder: Path, home: Path) -> None:
    (home / "secret.txt").write_text("secret")
    (folder / "secret.txt").symlink_to(home / "secret.txt")
    (folder / "data").symlink_to(home)
    (folder / "loop").symlink_to(folder)
    (folder / "broken").symlink_to("nothing")
    (folder / "real.py").write_text("X = 1\n")
    (folder / "alias.py").symlink_to("real.py")
    os.mkfifo(folder / "pipe")
    result = submit("import alias, os\nprint(sorted(os.listdir('.')))\n")
    assert result.status == 0, result.page
    assert result.run["output"] == "['alias.py', 'real.py', 'test.py']\n"
    left_out = "\n".join(result.found["left_out"])
    assert f"secret.txt (a link out of the folder, to {home}/secret.txt)" in left_out
    assert "data (a link out" in left_out and "loop (a link to a folder)" in left_out
    assert "broken (a broken link)" in left_out and "pipe (neither a file" in left_out
    assert "left out" in result.page


def test_caches_hidden_files_and_huge_files(submit: Submit, folder: Path) -> None:
    for name in (".git/config", "__pycache__/test.cpython-311.pyc", ".ipynb_checkpoints/x.ipynb", "venv/pyvenv.cfg"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("x")
    with (folder / "huge.pt").open("wb") as file:
        file.truncate(submission.LARGEST_FILE + 1)
    result = submit("import os\nprint(os.listdir('.'))\n")
    assert result.run["output"] == "['test.py']\n"
    assert count_matching(result.found["left_out"], "huge.pt (100 MB, more than 100 MB)") == 1
    assert count_matching(result.found["left_out"], "venv (a virtual environment)") == 1


def test_an_unreadable_file(submit: Submit, folder: Path) -> None:
    (folder / "x.txt").write_text("x")
    (folder / "x.txt").chmod(0)
    result = submit(GOOD)
    assert result.status == 0
    if os.getuid() != 0:
        assert result.found["left_out"] == ["x.txt (Permission denied)"]


def test_rights_that_hinder_the_clean_up(submit: Submit) -> None:
    assert submit("import os\nos.makedirs('a/b')\nos.chmod('a/b', 0)\nos.chmod('a', 0o500)\nprint(1)\n").status == 0


def test_no_test_py(submit: Submit, folder: Path) -> None:
    (folder / "main.py").write_text("")
    result = submit()
    assert result.status == 1
    assert result.list_problems() == ["no test.py: there is main.py"]
    assert result.verdict == "A grader would see: nothing to run, there is no test.py"
    (folder / "Test.py").write_text("")
    assert submit().list_problems() == ["no test.py: rename Test.py"]


def test_nothing_to_run(submit: Submit, tmp_path: Path) -> None:
    for source in (tmp_path / "nowhere", tmp_path / "file.txt"):
        (tmp_path / "file.txt").write_text("x")
        result = submit(source=source)
        assert result.status == 2
        assert result.errors.startswith(f"course-submit: {source} ") and len(result.errors.splitlines()) == 1
    assert submit(GOOD, "--time-limit", "0").status == 2
    assert submit(GOOD, "--project", "other").status == 2


def test_no_place_for_a_copy(submit: Submit, folder: Path, environment: dict[str, str]) -> None:
    """A root file system that cannot be written, and nothing named in TMPDIR."""
    code = (
        "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/proc/nowhere'];"
        "from course_tools.submit import cli"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; cli.main([{str(folder)!r}])"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("course-submit: no folder for a copy") and "TMPDIR" in done.stderr


def test_two_projects_in_one_folder(submit: Submit, tmp_path: Path) -> None:
    both = tmp_path / "Proj_123456_234567"
    for number, test in ((1, "import helper\n" + GOOD), (2, "1 / 0\n")):
        place = both / f"Proj{number}"
        place.mkdir(parents=True)
        (place / "test.py").write_text(test)
        (place / "helper.py").write_text("")
    (both / "Proj1/report.pdf").write_bytes(b"")
    result = submit(source=both)
    assert result.status == 1
    assert [run["folder"] for run in result.found["runs"]] == ["Proj1", "Proj2"]
    last, second = result.page.splitlines()[-2:]
    assert last.startswith("A grader would see: Proj1/test.py ends well")
    assert second == "A grader would see: Proj2/test.py ends with exit status 1: ZeroDivisionError: division by zero"
    assert "no report in Proj2: a PDF of 2 to 3 pages is expected" in result.list_notes()
    assert not count_matching(result.list_notes(), "no report in Proj1")


def test_a_zip_archive(submit: Submit, tmp_path: Path) -> None:
    path = tmp_path / "Proj_123456.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Proj1/test.py", GOOD)
        archive.writestr("Proj1/report.pdf", "")
        archive.writestr("__MACOSX/Proj1/._test.py", "x")
        archive.writestr("../outside.txt", "x")
        archive.writestr("/tmp/outside.txt", "x")
        archive.writestr("a\\..\\..\\outside.txt", "x")
        link = zipfile.ZipInfo("Proj1/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    result = submit(source=path)
    assert result.status == 0, result.page
    assert result.found["files"] == 2
    assert count_matching(result.found["left_out"], "leads out of the archive") == 3
    assert "Proj1/link (a link, or no plain file)" in result.found["left_out"]
    assert result.list_notes() == []
    assert not list(tmp_path.rglob("outside.txt"))


def test_an_archive_of_another_name_and_a_broken_one(submit: Submit, tmp_path: Path) -> None:
    path = tmp_path / "final.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("test.py", GOOD + "# " + "x y z " * 1000)
    assert count_matching(submit(source=path).list_notes(), "final.zip: archives are called like Proj_") == 1
    data = bytearray(path.read_bytes())
    data[60] ^= 255
    path.write_bytes(data)
    result = submit(source=path)
    assert result.status == 2
    assert "the archive cannot be unpacked" in result.errors


def test_a_bomb_in_an_archive(tmp_path: Path) -> None:
    """More is never unpacked than the list of the archive says, and that has limits."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(submission.LARGEST_FILE + 1))
    copy = submission.copy_submission(path, tmp_path)
    assert copy.files == [] and "more than 100 MB" in copy.left_out[0]


def test_data_of_the_course_in_the_home(submit: Submit, home: Path) -> None:
    """They stay where they are, and are no files that graders lack."""
    data = home / ".local/share/course-data"
    data.mkdir(parents=True)
    (data / "x").write_text("5")
    result = submit("import os, pathlib\nprint(pathlib.Path(os.environ['PYTORCH_DATA_DIR'], 'x').read_text())\n")
    assert result.status == 0, result.page
    assert result.run["data"] == str(data)


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # a uid that /etc/passwd does not know
    assert runner.find_home() == Path("/")


def test_pdf_pages(tmp_path: Path) -> None:
    import zlib

    path = tmp_path / "report.pdf"
    objects = zlib.compress(b"<< /Type /Page /Parent 1 0 R >> " * 4)
    path.write_bytes(
        b"%PDF-1.5\n1 0 obj << /Type /ObjStm /N 4 /Length 99 >>\nstream\n" + objects + b"\nendstream endobj"
    )
    assert submission.count_pages(path) == 4
    path.write_bytes(b"no PDF")
    assert submission.count_pages(path) == 0


def test_a_report_that_is_too_long(submit: Submit, folder: Path) -> None:
    (folder / "report.pdf").write_bytes(b"/Type /Page >> " * 5)
    assert count_matching(submit(GOOD).list_notes(), "report.pdf has 5 pages") == 1


def test_a_page_has_sixty_lines_at_most() -> None:
    run = {
        "folder": "Proj1", "project": None, "command": "python test.py", "status": 1, "timed_out": False,
        "time_limit": 60, "seconds": 1.0, "peak_memory": 1, "isolation": "x", "data": "", "tiny": False,
        "output": "\n".join(f"line {i} " * 40 for i in range(100)), "output_size": 9999, "verdict": "the verdict",
        "wrote": ["x" * 300] * 50, "problems": [f"{i} " * 200 for i in range(50)], "notes": ["y z " * 90] * 50,
    }  # fmt: skip
    found = {
        "source": "x", "files": 1, "size": 1, "zip_size": None, "left_out": ["a b " * 100] * 50, "runs": [run, run],
        "problems": [], "notes": ["z " * 200] * 20, "verdict": "",
    }  # fmt: skip
    page = format_page(found)
    assert len(page) <= LONGEST_PAGE
    assert page[-2:] == ["the verdict"] * 2
    assert max(map(len, page)) <= 120


@pytest.mark.parametrize(
    ("line", "forbidden"),
    [
        ("import torch.nn as nn", True),
        ("from torch import nn", True),
        ("from torch import empty, optim", True),
        ("from torch.nn.functional import relu", True),
        ("from torch.autograd import Variable", True),
        ("y = torch.nn.Linear(2, 3)", True),
        ("y = torch.empty(3, requires_grad=True)", True),
        ("x.requires_grad_()", True),
        ("with torch.enable_grad(): pass", True),
        ("y = torch.func.grad(f)(x)", True),
        ("torch.set_grad_enabled(False)", False),
        ("from torch.nn.functional import fold, unfold", False),
        ("y = torch.nn.functional.unfold(x, 3)", False),
        ("from torch import empty, Tensor", False),
        ("y = torch.empty(3, requires_grad=False)", False),
        ("from nn import Linear", False),
        ("loss.backward()", False),
    ],
)
def test_what_a_framework_may_not_use(tmp_path: Path, line: str, forbidden: bool) -> None:
    (tmp_path / "framework.py").write_text(f"import torch\n{line}\n")
    assert bool(project_sources.read_sources(tmp_path).forbidden) == forbidden


@pytest.mark.parametrize(
    ("text", "project"),
    [
        ("import dlc_bci\ndlc_bci.load('data')", "eeg"),
        ("from dlc_practical_prologue import generate_pair_sets", "pairs"),
        ("class ReLU:\n    def backward(self, *g): pass\n    def param(self): return []", "framework"),
        ("print(1)", None),
    ],
)
def test_which_project_it_is(tmp_path: Path, text: str, project: str | None) -> None:
    (tmp_path / "test.py").write_text(text)
    assert project_sources.read_sources(tmp_path).guess_project(["test.py"]) == project


FRAMEWORK = """
class Scale:
    enable_grad = True

    def backward(self, gradient):
        return gradient


def compare():
    from json import loads
    return Scale().enable_grad


if False:
    import torch.autograd
"""


def test_what_does_not_run_is_only_mentioned(submit: Submit, folder: Path) -> None:
    """A second script, its own test, a notebook, dead code, a function that nobody calls, a file that is no Python."""
    (folder / "framework.py").write_text(FRAMEWORK)
    (folder / "compare_with_torch.py").write_text("import torch.nn as nn\nDATA = '/home/me/data'\ninput()\n")
    (folder / "tests").mkdir()
    (folder / "tests/test_framework.py").write_text("from torch.autograd import gradcheck\n")
    (folder / "old.py").write_text("print 'old'\n")
    cells = [{"cell_type": "code", "source": ["import torch.nn\n"]}]
    (folder / "figures.ipynb").write_text(json.dumps({"cells": cells}))
    result = submit(GOOD + "from framework import Scale\nScale().backward(1)\n", "--project", "framework")
    assert not count_matching(result.list_problems(), "forbidden"), result.page
    [line] = [note for note in result.list_notes() if "not judged" in note]
    assert line.startswith("not judged, test.py does not run it: compare_with_torch.py (imports torch.nn), ")
    for part in ("tests/test_framework.py (imports torch.autograd.gradcheck)", "old.py (it is no Python)",
                 "framework.py:11 (uses enable_grad)", "framework.py:15 (imports torch.autograd)"):  # fmt: skip
        assert part in line
    assert not count_matching(result.list_notes(), "absolute path") + count_matching(result.list_notes(), "keyboard")


def test_what_runs_is_judged(submit: Submit, folder: Path) -> None:
    """In a function that is called in a thread, and in a script that test.py starts."""
    (folder / "framework.py").write_text(FRAMEWORK)
    (folder / "train.py").write_text("class A:\n    requires_grad = 1\nprint(A.requires_grad)\n")
    test = "import subprocess, sys, threading\nfrom framework import compare\n"
    test += "threading.Thread(target=compare).start()\nsubprocess.run([sys.executable, 'train.py'], check=True)\n"
    result = submit(test, "--project", "framework")
    assert result.status == 1
    assert count_matching(result.list_problems(), "forbidden in this project: framework.py:11: uses enable_grad")
    assert count_matching(result.list_problems(), "forbidden in this project: train.py:3: uses requires_grad")
    assert not count_matching(result.list_problems(), "framework.py:15")
    assert count_matching(result.list_notes(), "not judged, test.py does not run it: framework.py:15 (imports torch.a")
