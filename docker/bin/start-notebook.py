#!/usr/bin/python3 -I
"""Becomes the course's Jupyter server: `jupyter $DOCKER_STACKS_JUPYTER_CMD` (lab) with NOTEBOOK_ARGS and the arguments.

Under a JupyterHub it becomes start-singleuser.py. With RESTARTABLE=yes it stays and starts a server that ended again.
"""

import os
import shutil
import signal
import sys

sys.path.append("/opt/course/lib")

from course_runtime.start.commands import fail, read_arguments, require_start
from course_runtime.start.switches import read_switch

SINGLEUSER = "/usr/local/bin/start-singleuser.py"
FRONTENDS = ("lab", "notebook", "nbclassic", "server", "retro", "kernelgateway", "voila")
PAUSE = 1  # seconds between two servers: one that cannot start must not keep a processor busy


def make_command(arguments: list[str]) -> list[str]:
    """Return the server's command line; end the start when its program is not installed."""
    words = (os.environ.get("DOCKER_STACKS_JUPYTER_CMD") or "lab").split()
    extra = read_arguments()
    # What `jupyter lab` itself would become; to ask it costs a Python start.
    program = shutil.which(f"jupyter-{words[0]}")
    if program is None:
        installed = ", ".join(name for name in FRONTENDS if shutil.which(f"jupyter-{name}"))
        fail(f"DOCKER_STACKS_JUPYTER_CMD={words[0]}: this image has no jupyter-{words[0]}, but {installed}", 127)
    return [program, *words[1:], *extra, *arguments]


def is_restartable() -> bool:
    """Return whether a server that ended is started again; end the start when that is not clear."""
    try:
        return read_switch("RESTARTABLE", os.environ.get("RESTARTABLE", ""))
    except ValueError as error:  # a hook has set it: start.sh refuses such a value of `docker run`
        fail(str(error), 2)


def keep_running(command: list[str]) -> int:
    """Run `command` again whenever it ends, until a signal asks to stop; its last exit status.

    The server has a process group of its own, so that only this process gets the signals, and hands on one SIGTERM.
    """
    stops = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, {*stops, signal.SIGCHLD})
    while True:
        server = os.posix_spawn(command[0], command, os.environ, setpgroup=0, setsigmask=())
        status = wait_for_end(server, stops)
        if status is None:
            os.kill(server, signal.SIGTERM)
            return exit_status(os.waitpid(server, 0)[1])
        print(f"WARNING: the server ended with status {status} and is started again", file=sys.stderr)
        if signal.sigtimedwait(stops, PAUSE):
            return 0


def wait_for_end(server: int, stops: set[signal.Signals]) -> int | None:
    """Return the exit status of the process `server`, None when one of the signals `stops` comes first."""
    while signal.sigwait({*stops, signal.SIGCHLD}) == signal.SIGCHLD:
        ended, status = os.waitpid(server, os.WNOHANG)
        if ended:
            return exit_status(status)
    return None


def exit_status(wait_status: int) -> int:
    """Return a process's exit status as a shell counts: 128 and the signal's number for one that was killed."""
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code


def main() -> None:
    require_start(__file__)
    if os.environ.get("JUPYTERHUB_API_TOKEN"):
        os.execv(SINGLEUSER, [SINGLEUSER, *sys.argv[1:]])
    command = make_command(sys.argv[1:])
    if is_restartable():
        sys.exit(keep_running(command))
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
