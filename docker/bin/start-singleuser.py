#!/usr/bin/python3 -I
"""Becomes the server of one user of a JupyterHub, `jupyterhub-singleuser`, with NOTEBOOK_ARGS and the arguments."""

import os
import shlex
import sys

START = "/usr/local/bin/start.sh"


def main() -> None:
    if os.environ.get("COURSE_START") != str(os.getpid()):  # not by the entry point
        os.execv(START, [START, os.path.realpath(__file__), *sys.argv[1:]])
    try:
        extra = shlex.split(os.environ.get("NOTEBOOK_ARGS", ""))
        as_root = ["--allow-root"] if os.geteuid() == 0 else []
        os.execvp("jupyterhub-singleuser", ["jupyterhub-singleuser", *as_root, *extra, *sys.argv[1:]])
    except ValueError as error:
        sys.exit(f"ERROR: NOTEBOOK_ARGS: {error}: quote as in a shell")
    except FileNotFoundError:
        sys.exit("ERROR: this image has no jupyterhub-singleuser: pip install jupyterhub, or start-notebook.py")


if __name__ == "__main__":
    main()
