"""The program that becomes the server: whoever starts a container waits for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from course_runtime.start import commands
from packages import REPOSITORY

PROGRAM = REPOSITORY / "docker/bin/start-notebook.py"
SLOW = {"enum", "re", "shlex", "shutil", "signal", "site", "subprocess", "typing"}


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for PATH with a jupyter-lab that prints its arguments, and a folder of the name of another frontend."""
    lab = tmp_path / "jupyter-lab"
    lab.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    lab.chmod(0o755)
    (tmp_path / "jupyter-notebook").mkdir()
    return tmp_path


def start(programs: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the program as start.sh becomes it, with the package of this checkout, and show what it imports."""
    code = (
        "import os, sys; source, program = sys.argv[1:]; sys.path[:0] = [source]; sys.argv = ['', '--port=1'];"
        "os.environ['COURSE_START_PID'] = str(os.getpid());"
        "exec(compile(open(program).read(), program, 'exec'), {'__name__': '__main__', '__file__': program})"
    )
    environ = {"PATH": f"{programs}{os.pathsep}/usr/bin:/bin", **variables}
    argv = [sys.executable, "-IS", "-X", "importtime", "-c", code, str(REPOSITORY / "runtime/src"), str(PROGRAM)]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)


def test_becomes_the_server_and_imports_little(programs: Path) -> None:
    done = start(programs)
    assert done.stdout == "--port=1\n", done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "course_runtime.start.commands" in imported
    assert not imported & SLOW


def test_more_arguments_are_quoted_as_in_a_shell(programs: Path) -> None:
    assert start(programs, NOTEBOOK_ARGS="--a='b c' d").stdout == "--a=b c\nd\n--port=1\n"


def test_a_folder_is_no_program(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs))
    assert commands.find_program("jupyter-lab") == str(programs / "jupyter-lab")
    assert commands.find_program("jupyter-notebook") == ""
