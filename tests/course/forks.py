"""Programs that are forked from a Python which has imported their libraries.

That spares 0.5 CPU seconds for each Jupyter server, and 0.15 for each of the course's commands.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from waiting import DEADLINE

LIBRARIES = ["jupyter_lsp", "jupyter_server.serverapp", "jupyter_server_terminals", "jupyterlab_server"]
"""Not JupyterLab itself, which reads the environment while it is imported."""

COMMANDS = ["course_runtime.files.sync", "course_runtime.update.cli"]

servers = multiprocessing.get_context("forkserver")
servers.set_forkserver_preload([*LIBRARIES, *COMMANDS, __name__])


class Forked:
    """A `process` that is started here, with what the tests use of subprocess.Popen. It ends when this Python does."""

    def __init__(self, process: BaseProcess) -> None:
        self.process = process
        self.process.daemon = True
        self.process.start()
        assert self.process.pid
        self.pid = self.process.pid

    def poll(self) -> int | None:
        """Return the exit code, a signal's number with a minus; None while the process runs."""
        return self.process.exitcode

    @property
    def returncode(self) -> int | None:
        """Return what `poll` does."""
        return self.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code at the end; raises TimeoutExpired after so many seconds."""
        self.process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.process.name, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send the signal `number`, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process at once."""
        self.process.kill()


def start_module(name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Forked:
    """Start `python -m name arguments >>log 2>&1` with this environment, with the LIBRARIES imported already."""
    return Forked(servers.Process(target=be_module, args=(name, arguments, environment, log)))


def be_module(name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """Be what `start_module` starts."""
    become([name, *arguments], environment, log, log)
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def run_code(code: str, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `python -c code arguments` with this environment to its end, with the COMMANDS imported already."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = servers.Process(target=be_code, args=(code, arguments, environment, out, err))
        status = Forked(process).wait(DEADLINE)
        return subprocess.CompletedProcess(["-c", *arguments], status, out.read_text(), err.read_text())


def be_code(code: str, arguments: Sequence[str], environment: Mapping[str, str], out: Path, err: Path) -> None:
    """Be what `run_code` runs."""
    become(["-c", *arguments], environment, out, err)
    exec(code, {"__name__": "__main__"})


def become(argv: Sequence[str], environment: Mapping[str, str], out: Path, err: Path) -> None:
    """Take the arguments and the environment of another program, and append what it says to these files."""
    for stream, path in ((1, out), (2, err)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, stream)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    sys.argv = [*argv]
