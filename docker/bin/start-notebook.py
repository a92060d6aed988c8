#!/usr/bin/python3 -IS
"""Becomes the course's Jupyter server: `jupyter $DOCKER_STACKS_JUPYTER_CMD` (lab) with NOTEBOOK_ARGS and the arguments.

Under a JupyterHub it becomes start-singleuser.py. With RESTARTABLE=yes it stays and starts a server that ended again.
Each start waits for this program, so it imports what it needs, and nothing else.
"""

import os
import sys

sys.path.append("/opt/course/lib")

from course_runtime.start.commands import fail, find_program, read_arguments, require_start
from course_runtime.start.switches import read_switch

SINGLEUSER = "/usr/local/bin/start-singleuser.py"
FRONTENDS = ("lab", "notebook", "nbclassic", "server", "retro", "kernelgateway", "voila")


def make_command(arguments: list[str]) -> list[str]:
    """Return the server's command line; end the start when its program is not installed."""
    words = (os.environ.get("DOCKER_STACKS_JUPYTER_CMD") or "lab").split()
    extra = read_arguments()
    # What `jupyter lab` itself would become; to ask it costs a Python start.
    program = find_program(f"jupyter-{words[0]}")
    if not program:
        installed = ", ".join(name for name in FRONTENDS if find_program(f"jupyter-{name}"))
        fail(f"DOCKER_STACKS_JUPYTER_CMD={words[0]}: this image has no jupyter-{words[0]}, but {installed}", 127)
    return [program, *words[1:], *extra, *arguments]


def is_restartable() -> bool:
    """Return whether a server that ended is started again; end the start when that is not clear."""
    try:
        return read_switch("RESTARTABLE", os.environ.get("RESTARTABLE", ""))
    except ValueError as error:  # a hook has set it: start.sh refuses such a value of `docker run`
        fail(str(error), 2)


def main() -> None:
    require_start(__file__)
    if os.environ.get("JUPYTERHUB_API_TOKEN"):
        os.execv(SINGLEUSER, [SINGLEUSER, *sys.argv[1:]])
    command = make_command(sys.argv[1:])
    if is_restartable():
        from course_runtime.start.restart import keep_running

        sys.exit(keep_running(command))
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
