#!/usr/bin/python3 -IS
"""Becomes the server of one user of a JupyterHub: `jupyterhub-singleuser` with NOTEBOOK_ARGS and the arguments."""

import os
import sys

sys.path.append("/opt/course/lib")

from course_runtime.start.commands import fail, read_arguments, require_start


def main() -> None:
    require_start(__file__)
    extra = read_arguments()
    try:
        os.execvp("jupyterhub-singleuser", ["jupyterhub-singleuser", *extra, *sys.argv[1:]])
    except FileNotFoundError:
        fail("this image has no jupyterhub-singleuser: pip install jupyterhub, or unset JUPYTERHUB_API_TOKEN", 127)


if __name__ == "__main__":
    main()
