"""What the start commands share, start-notebook.py and start-singleuser.py. Each start waits for these imports."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

START = "/usr/local/bin/start.sh"


def fail(message: str, status: int) -> "NoReturn":
    """End the start with one line."""
    print(f"ERROR: {message}", file=sys.stderr)
    sys.exit(status)


def require_start(program: str) -> None:
    """Become start.sh, which runs `program` again, unless start.sh has become this process.

    The entry point of the image is not enough: `command` of Kubernetes replaces it.
    """
    if os.environ.get("COURSE_START_PID") != str(os.getpid()):
        os.execv(START, [START, os.path.realpath(program), *sys.argv[1:]])


def find_program(name: str) -> str:
    """Return where the program `name` is, "" if PATH does not lead to it."""
    for folder in os.get_exec_path():
        path = f"{folder}/{name}"
        if os.access(path, os.X_OK) and not os.path.isdir(path):  # noqa: PTH112
            return path
    return ""


def read_arguments() -> list[str]:
    """Return the words of NOTEBOOK_ARGS; end the start when they are not quoted as in a shell."""
    text = os.environ.get("NOTEBOOK_ARGS", "")
    if not text:
        return []
    import shlex

    try:
        return shlex.split(text)
    except ValueError as error:
        fail(f"NOTEBOOK_ARGS: {error}: quote as in a shell", 2)
