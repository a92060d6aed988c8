"""Programs and kernels that are forked from a Python which has imported torch: each spares 2 to 4 CPU seconds."""

from __future__ import annotations

import builtins
import functools
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

KERNEL = ["-m", "ipykernel_launcher"]
"""What follows Python in the command of a kernel."""

DEADLINE = 60.0
"""Seconds until a fork has a process group of its own: it only ends a hang."""

copies = multiprocessing.get_context("forkserver")


def preload(*modules: str) -> None:
    """Let the Python from which all are forked import these modules; called before the first of them."""
    copies.set_forkserver_preload([__name__, "torch", "ipykernel.kernelapp", *modules])


class Forked:
    """A program `argv` of this Python, with what subprocess.Popen has of it. It ends when this Python does."""

    stdin = stdout = stderr = None

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, said: Path | None = None) -> None:
        self.process = copies.Process(
            target=be_program, args=(list(argv), dict(env), cwd, list_path(), said), daemon=True
        )
        self.process.start()
        assert self.process.pid
        self.pid = self.process.pid
        deadline = time.monotonic() + DEADLINE
        while self.poll() is None and os.getpgid(self.pid) != self.pid:
            assert time.monotonic() < deadline, "the forked process has no group of its own yet"
            time.sleep(0.001)

    def poll(self) -> int | None:
        """Return the exit code, a signal's number with a minus; None while the program runs."""
        return self.process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code at the end; raises TimeoutExpired after so many seconds."""
        self.process.join(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(self.process.name, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send the signal `number`, unless the program has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()


def launch_kernel(cmd: list[str], *, env: Mapping[str, str], cwd: str, **_: Any) -> Forked:
    """Take the place of jupyter_client's own function."""
    start = cmd.index("-m")
    assert cmd[start : start + 2] == KERNEL, f"a kernel is started in another way: {cmd}"
    return Forked(cmd[start:], env, Path(cwd))


def run_program(argv: Sequence[str], env: Mapping[str, str], cwd: Path, said: Path, timeout: float | None) -> int:
    """Run `python argv` to its end, and return its exit code; what it says goes to the file `said`.

    Raises TimeoutExpired.
    """
    program = Forked(argv, env, cwd, said)
    try:
        return program.wait(timeout)
    finally:
        program.kill()


@functools.cache
def list_path() -> list[str]:
    """Return where a Python that is started finds modules, besides the folder of its program."""
    code = "import json, sys; print(json.dumps(sys.path[1:]))"
    told = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout
    path: list[str] = json.loads(told)
    return path


def be_program(argv: list[str], env: dict[str, str], cwd: Path, path: list[str], said: Path | None) -> None:
    """Become the program: its environment, folder and arguments, with warnings as Python's options -W name them."""
    os.setsid()
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in env
    if said:
        descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(descriptor, stream)
        os.close(descriptor)
    while argv[0].startswith("-W"):
        category = argv.pop(0).removeprefix("-Werror::")
        warnings.simplefilter("error", getattr(builtins, category))
    is_kernel = argv[:2] == KERNEL
    sys.path[:] = [str(cwd) if is_kernel else str(Path(argv[0]).parent), *path]
    if is_kernel:
        sys.argv = argv[1:]
        runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
    else:
        sys.argv = argv
        runpy.run_path(argv[0], run_name="__main__")
