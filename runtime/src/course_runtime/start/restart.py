"""RESTARTABLE=yes: a server that ended is started again, until a signal asks to stop."""

import os
import signal
import sys

PAUSE = 1  # seconds between two servers: one that cannot start must not keep a processor busy


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
