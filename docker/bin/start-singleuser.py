#!/usr/bin/python3 -I
"""Becomes the server of one user of a JupyterHub: `jupyterhub-singleuser` with NOTEBOOK_ARGS and the arguments."""

import os
import shlex
import sys
from typing import NoReturn

START = "/usr/local/bin/start.sh"


def fail(message: str, status: int) -> NoReturn:
    print(f"ERROR: {message}", file=sys.stderr)
    sys.exit(status)


def main() -> None:
    # Not by the entry point: Kubernetes' `command` replaces that.
    if os.environ.get("COURSE_START") != str(os.getpid()):
        os.execv(START, [START, os.path.realpath(__file__), *sys.argv[1:]])
    try:
        extra = shlex.split(os.environ.get("NOTEBOOK_ARGS", ""))
    except ValueError as error:
        fail(f"NOTEBOOK_ARGS: {error}: quote as in a shell", 2)
    try:
        os.execvp("jupyterhub-singleuser", ["jupyterhub-singleuser", *extra, *sys.argv[1:]])
    except FileNotFoundError:
        fail("this image has no jupyterhub-singleuser: pip install jupyterhub, or unset JUPYTERHUB_API_TOKEN", 127)


if __name__ == "__main__":
    main()
