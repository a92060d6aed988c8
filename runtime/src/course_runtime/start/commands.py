"""What the start commands share, start-notebook.py and start-singleuser.py."""

import os
import shlex
import sys
from typing import NoReturn

START = "/usr/local/bin/start.sh"


def fail(message: str, status: int) -> NoReturn:
    """End the start with one line."""
    print(f"ERROR: {message}", file=sys.stderr)
    sys.exit(status)


def require_start(program: str) -> None:
    """Become start.sh, which runs `program` again, unless start.sh has become this process.

    The entry point of the image is not enough: `command` of Kubernetes replaces it.
    """
    if os.environ.get("COURSE_START_PID") != str(os.getpid()):
        os.execv(START, [START, os.path.realpath(program), *sys.argv[1:]])


def read_arguments() -> list[str]:
    """Return the words of NOTEBOOK_ARGS; end the start when they are not quoted as in a shell."""
    try:
        return shlex.split(os.environ.get("NOTEBOOK_ARGS", ""))
    except ValueError as error:
        fail(f"NOTEBOOK_ARGS: {error}: quote as in a shell", 2)
