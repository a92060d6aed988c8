"""The commands that make the students' Python environment outside a product."""

from pathlib import Path

from practicum.commands import venv
from practicum.wheels.wheelhouse import Wheelhouse


def test_install_takes_nothing_but_the_locked_wheels() -> None:
    house = Wheelhouse(Path("/c/house"), Path("/c/house/requirements.txt"))
    argv = venv.install_argv(house, Path("here"))
    assert {"--offline", "--no-index", "--no-deps", "--require-hashes"} <= set(argv)
    assert "--find-links=/c/house" in argv
    assert argv[-1] == "--requirement=/c/house/requirements.txt"


def test_environment_has_the_python_of_the_suite() -> None:
    argv = venv.create_argv("3.11", Path("here"))
    assert "--python=3.11" in argv and argv[-1] == "here"


def test_commands_come_alone() -> None:
    argv = venv.commands_argv([Path("/out/course_runtime.whl"), Path("/out/course_tools.whl")], Path("here"))
    assert {"--offline", "--no-deps", "--python=here"} <= set(argv)
    assert argv[-2:] == ["/out/course_runtime.whl", "/out/course_tools.whl"]
