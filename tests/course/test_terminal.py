"""JupyterLab's terminals use the course's Python, whatever the files of a home put first."""

import subprocess
from pathlib import Path

import pytest
from packages import REPOSITORY
from waiting import DEADLINE

SETTINGS = REPOSITORY / "ansible/roles/jupyter/files/terminal.sh"


def open_terminal(place: Path, home: dict[str, str]) -> list[str]:
    """Return what a new terminal prints: its own lines, then the path of its Python."""
    for name, text in home.items():
        (place / name).write_text(text)
    for python in (place / "venv/bin/python", place / "conda/bin/python"):
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\n")
        python.chmod(0o755)
    settings = place / "terminal.sh"
    profile = place / "profile"
    profile.write_text(f"PATH={place}/venv/bin:/usr/bin:/bin\n")
    settings.write_text(
        SETTINGS.read_text().replace("/opt/venv", f"{place}/venv").replace("/etc/profile", str(profile))
    )
    argv = ["bash", "--rcfile", str(settings), "-i", "-c", "type -P python; echo ${GREETING-}"]
    environ = {"HOME": str(place), "PATH": "/usr/bin:/bin", "TERM": "dumb"}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True, timeout=DEADLINE)
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", [".bash_profile", ".bash_login", ".profile"])
def test_a_home_s_conda_does_not_take_over(tmp_path: Path, name: str) -> None:
    told, python, greeting = open_terminal(tmp_path, {name: f"GREETING=hello\nPATH={tmp_path}/conda/bin:$PATH\n"})
    assert python == f"{tmp_path}/venv/bin/python" and greeting == "hello"
    assert told.endswith(f"A file of your home had put another first: {tmp_path}/conda/bin/python")


def test_a_home_without_such_files_is_silent(tmp_path: Path) -> None:
    assert open_terminal(tmp_path, {}) == [f"{tmp_path}/venv/bin/python", ""]
