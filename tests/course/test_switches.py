"""The switches of a container's start are read alike by Python and by the shell."""

import os
import subprocess
from pathlib import Path

import pytest
from course_runtime.start import switches
from packages import REPOSITORY

LIBRARIES = REPOSITORY / "docker/lib"
VALUES = {"yes": 0, "1": 0, "True": 0, "ON": 0, "no": 1, "0": 1, "Off": 1, "false": 1, "": 1}
UNCLEAR = ("maybe", " ", "yes no", "2")


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """The shell's functions, which find the program in this checkout."""
    installed = "/opt/course/lib/course_runtime/start/switches.py"
    text = (LIBRARIES / "settings.sh").read_text()
    assert installed in text
    copy = tmp_path / "settings.sh"
    copy.write_text(text.replace(installed, f"'{switches.__file__}'"))
    return copy


def ask_shell(settings: Path, value: str) -> "subprocess.CompletedProcess[str]":
    program = f"source '{LIBRARIES}/log.sh'; source '{settings}'; is_yes GEN_CERT"
    environ = {**os.environ, "GEN_CERT": value}
    return subprocess.run(["bash", "-c", program], env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("value", "status"), VALUES.items())
def test_switch_is_read_alike(settings: Path, value: str, status: int) -> None:
    assert switches.read_switch("GEN_CERT", value) is (status == 0)
    done = ask_shell(settings, value)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


@pytest.mark.parametrize("value", UNCLEAR)
def test_unclear_switch_is_one_line(settings: Path, value: str) -> None:
    with pytest.raises(ValueError, match=f"^GEN_CERT='{value}' is neither yes nor no$"):
        switches.read_switch("GEN_CERT", value)
    done = ask_shell(settings, value)
    assert (done.returncode, done.stderr) == (2, f"ERROR: GEN_CERT='{value}' is neither yes nor no\n")


def test_variable_that_is_not_set_means_no(settings: Path) -> None:
    program = f"unset GEN_CERT; source '{settings}'; is_yes GEN_CERT"
    assert subprocess.run(["bash", "-c", program], check=False).returncode == 1
