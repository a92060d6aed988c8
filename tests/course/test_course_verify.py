"""`course-verify` runs the image's tests, whatever the user's home, folder and variables hold, and leaves nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from course_runtime.doctor import verify
from course_runtime.machine.machine import CourseError, Machine
from packages import RUNTIME
from waiting import DEADLINE, wait_until


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine whose tests look at what they were started with."""
    tests = tmp_path / "root/opt/course/verify"
    tests.mkdir(parents=True)
    (tests / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    (tests / "conftest.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--json')\n")
    return Machine(root=tmp_path / "root")


def write_test(machine: Machine, body: str) -> None:
    function = "\n    ".join(["def test_it(request, tmp_path):", *body.splitlines()])
    machine.path(f"{verify.TESTS}/test_it.py").write_text(f"import os, pathlib, signal, tempfile\n{function}\n")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, which must be empty in the end."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


@pytest.mark.parametrize(("body", "status"), [("pass", 0), ("assert False", 1)])
def test_the_status_is_that_of_the_tests(machine: Machine, temporary: Path, body: str, status: int) -> None:
    write_test(machine, body)
    assert verify.verify(machine, []) == status
    assert list(temporary.iterdir()) == []


def test_arguments_reach_pytest(machine: Machine, temporary: Path) -> None:
    write_test(machine, "assert request.config.getoption('--json') == 'report.json'")
    assert verify.verify(machine, ["--json=report.json"]) == 0
    assert verify.verify(machine, ["--json=report.json", "test_it.py::test_it"]) == 0
    assert verify.verify(machine, ["-k", "nothing"]) == pytest.ExitCode.NO_TESTS_COLLECTED


def test_all_that_is_written_goes_into_a_folder_that_is_removed(
    machine: Machine, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "CUDA_CACHE_PATH"):
        monkeypatch.setenv(name, "/nowhere")
    write_test(
        machine,
        f"""own = pathlib.Path(tempfile.gettempdir())
assert own.parent == pathlib.Path({str(temporary)!r}) and own.stat().st_mode & 0o777 == 0o700
assert pathlib.Path.home() == own and own in tmp_path.parents
assert '/nowhere' not in os.environ.values()
(pathlib.Path.home() / '.cache').mkdir()""",
    )
    assert verify.verify(machine, []) == 0
    assert list(temporary.iterdir()) == []
    assert {path.name for path in machine.path(verify.TESTS).iterdir()} == {"pytest.ini", "conftest.py", "test_it.py"}


def test_nothing_of_the_users_has_a_say(machine: Machine, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = temporary.parent / "own"
    own.mkdir()
    (own / "tempfile.py").write_text("raise SystemExit('a file of the student')\n")
    (own / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    monkeypatch.chdir(own)
    monkeypatch.setenv("PYTHONPATH", str(own))
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    write_test(machine, "import site; assert not site.ENABLE_USER_SITE")
    assert verify.verify(machine, []) == 0


def test_tests_that_are_killed_are_told_from_tests_that_fail(machine: Machine, temporary: Path) -> None:
    write_test(machine, "os.kill(os.getpid(), 9)")
    with pytest.raises(CourseError, match="ended by SIGKILL: course-doctor"):
        verify.verify(machine, [])


def test_a_machine_without_the_tests_says_so(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=r"/opt/course/verify is not there: restore it"):
        verify.verify(Machine(root=tmp_path), [])


def test_a_python_without_pytest_says_so(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "find_spec", lambda name: None)
    with pytest.raises(CourseError, match="has no pytest"):
        verify.verify(machine, [])


def start(machine: Machine, *arguments: str) -> "subprocess.Popen[str]":
    """The command itself, on `machine`."""
    code = (
        f"import sys, pathlib; sys.path.insert(0, {str(RUNTIME)!r});"
        "from course_runtime.doctor import verify; from course_runtime.machine import machine;"
        f"verify.Machine = lambda: machine.Machine(root=pathlib.Path({str(machine.root)!r})); verify.main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize("argument", ["--json", "--json="])
def test_options_of_the_command_and_of_pytest_may_be_mixed(
    machine: Machine, temporary: Path, monkeypatch: pytest.MonkeyPatch, argument: str
) -> None:
    monkeypatch.chdir(temporary)
    report = temporary / "a b"
    write_test(
        machine,
        f"assert request.config.getoption('--json') == {str(report)!r} and request.config.option.verbose == 2",
    )
    with start(machine, "-vv", *([argument, "a b"] if argument == "--json" else ["--json=a b"]), "-k", "it") as running:
        said, _ = running.communicate(timeout=DEADLINE)
    assert running.returncode == 0, said


def test_a_stopped_container_leaves_nothing(machine: Machine, temporary: Path) -> None:
    sign = temporary.parent / "started"
    write_test(machine, f"pathlib.Path({str(sign)!r}).write_text(str(os.getpid())); signal.pause()")
    with start(machine) as running:

        def has_begun() -> bool:
            assert running.poll() is None
            return sign.exists() and bool(sign.read_text())

        wait_until(has_begun, "the first test")
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=DEADLINE)
    assert running.returncode == 128 + signal.SIGTERM
    assert list(temporary.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(sign.read_text()), 0)
