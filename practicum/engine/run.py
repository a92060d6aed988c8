"""Runs other programs so that none of them outlives this process, whatever ends it.

A contained program runs in namespaces that die with this process (namespaces.py). The death signal belongs to the
*thread* that started the program. So `run` and `read` wait in the thread that called them; never hand their child to
another thread.
"""

import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from practicum.engine.errors import PracticumError, ProgramFailed
from practicum.engine.namespaces import guarded, with_tmp
from practicum.engine.tools import require, search_path, version_argv

GRACE = 10.0
"""Seconds between asking a child to end and killing it; an orderly stop must fit in 15 s."""

PATIENCE = 900.0
"""Seconds after which a short command hangs. Beside a load of 26, `docker kill` needed more than 60."""

KEPT_LINES = 60

SAME_EVERYWHERE = {"LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "TZ": "UTC"}
"""What every program gets, so that it writes the same bytes in every country and language."""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_COMPLAINT = re.compile(r"(?i)(^|\W)(e:|errors?:|fatal:|failed!|no space left|permission denied|cannot |unable to )")


class Stopped(BaseException):
    """SIGINT, SIGTERM or SIGHUP asked for an orderly stop; like KeyboardInterrupt it passes `except Exception`."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


@dataclass(frozen=True)
class CompletedRun:
    """A program that ended with exit code 0: its last lines of output (both streams, escapes removed) and its log."""

    argv: tuple[str, ...]
    seconds: float
    tail: tuple[str, ...]
    log: Path | None


def run(
    argv: Sequence[str],
    *,
    step: str,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    tmp: Path | None = None,
    contain: bool = True,
    on_line: Callable[[str], None] | None = None,
    stdin: Path = Path(os.devnull),
) -> CompletedRun:
    """Run `argv` to its end, appending its output to `log` and handing each line to `on_line`.

    `env` is added to this process's environment; `stdin` names a file; a contained program makes its temporary files in
    `tmp`. Raises PracticumError when the program is missing or its exit code is not 0, Stopped when a signal ended it.
    """
    tail: deque[str] = deque(maxlen=KEPT_LINES)
    started = time.monotonic()
    require(argv[0])
    words = with_tmp(argv, tmp) if tmp and contain else argv
    with _log_file(log) as sink, _child(words, step, env, cwd, contain, stdin, subprocess.STDOUT) as child:
        assert child.stdout is not None
        for raw in child.stdout:
            sink.write(raw)
            if line := _ESCAPES.sub("", raw).rstrip():
                tail.append(line)
                if on_line:
                    on_line(line)
        code = child.wait()
    if code:
        raise ProgramFailed(step, _describe_failure(argv[0], code, tail), log)
    return CompletedRun(tuple(argv), time.monotonic() - started, tuple(tail), log)


def read(
    argv: Sequence[str],
    *,
    step: str,
    env: Mapping[str, str] | None = None,
    contain: bool = False,
    timeout: float = PATIENCE,
) -> str:
    """Return the standard output of a short command; raises as `run` does, and after `timeout` seconds."""
    with _child(argv, step, env, None, contain, Path(os.devnull), subprocess.PIPE) as child:
        try:
            out, err = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise PracticumError(
                step, f"`{shlex.join(argv)}` gave no answer in {timeout:.0f} s", "run it by hand"
            ) from None
    if child.returncode:
        lines = [line for line in (out + err).splitlines() if line.strip()]
        raise ProgramFailed(step, _describe_failure(argv[0], child.returncode, lines))
    return out


@contextmanager
def stream(argv: Sequence[str], *, step: str) -> Iterator[IO[bytes]]:
    """Give the standard output of a program as bytes, to be read while it runs; the rest is read at the block's end.

    Raises as `run` does. An exception in the block ends the program.
    """
    with _child(argv, step, None, None, False, Path(os.devnull), subprocess.PIPE) as child:
        assert child.stdout is not None and child.stderr is not None
        output = child.stdout.buffer  # type: ignore[attr-defined]  # under the text that the other functions read
        yield output
        while output.read(1 << 20):
            pass
        lines = [line for line in child.stderr.read().splitlines() if line.strip()]
        code = child.wait()
    if code:
        raise ProgramFailed(step, _describe_failure(argv[0], code, lines))


def version(tool: str) -> str:
    """Return the line in which `tool` tells its version, "unknown" for the few that tell none."""
    step = f"version of {tool}"
    with _child(version_argv(tool), step, None, None, False, Path(os.devnull), subprocess.STDOUT) as child:
        out, _ = child.communicate(timeout=30)
    return next((line.strip() for line in out.splitlines() if re.search(r"\d\.\d", line)), "unknown")


def stop_on_signals() -> None:
    """Make SIGINT, SIGTERM and SIGHUP raise Stopped in the main thread after asking all children to end.

    A child that does not end is killed after GRACE seconds; a second signal kills everything at once.
    """
    signal.signal(signal.SIGINT, _on_signal)
    signal.signal(signal.SIGTERM, _on_signal)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup asked us to outlive the terminal
        signal.signal(signal.SIGHUP, _on_signal)


_live: set[subprocess.Popen[str]] = set()
_stop_signal: int | None = None


def _on_signal(signum: int, _frame: FrameType | None) -> None:
    global _stop_signal
    if _stop_signal is not None:
        _kill(list(_live))
        os._exit(128 + signum)
    _stop_signal = signum
    asked = list(_live)
    for child in asked:
        _signal_group(child, signal.SIGTERM)
    # Children of other threads get no exception from here: their end, forced if need be, is what wakes those threads.
    killer = threading.Timer(GRACE, _kill, [asked])
    killer.daemon = True
    killer.start()
    raise Stopped(signum)


def _kill(children: Sequence[subprocess.Popen[str]]) -> None:
    for child in children:
        _signal_group(child, signal.SIGKILL)


def _signal_group(child: subprocess.Popen[str], signum: int) -> None:
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signum)


def _end(child: subprocess.Popen[str]) -> None:
    _signal_group(child, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)
    _signal_group(child, signal.SIGKILL)
    child.wait()


@contextmanager
def _child(
    argv: Sequence[str],
    step: str,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    contain: bool,
    stdin: Path,
    stderr: int,
) -> Iterator[subprocess.Popen[str]]:
    require(argv[0], "setpriv", "unshare", "bash")
    if contain and os.geteuid() != 0:
        raise PracticumError(step, f"{argv[0]} runs in namespaces of its own, which needs root", "use sudo")
    if _stop_signal is not None:  # Python drops an exception that a signal's handler raises inside a finalizer
        raise Stopped(_stop_signal)
    lifeline, held = os.pipe()
    try:
        child = subprocess.Popen(
            guarded(argv, contain=contain, stdin=stdin),
            stdin=lifeline,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            errors="replace",
            cwd=cwd,
            env={**os.environ, **SAME_EVERYWHERE, **(env or {}), "PATH": search_path(env)},
            start_new_session=True,  # a Ctrl-C of the terminal must reach only us: we stop the children in order
        )
        _live.add(child)
        try:
            yield child
        finally:
            if child.poll() is None:
                _end(child)
            _live.discard(child)
            for stream in (child.stdout, child.stderr):
                if stream:
                    stream.close()
    finally:
        os.close(lifeline)
        os.close(held)
    if _stop_signal is not None and child.returncode:
        raise Stopped(_stop_signal)


@contextmanager
def _log_file(log: Path | None) -> Iterator[IO[str]]:
    path = log or Path(os.devnull)
    if log:
        path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", buffering=1) as sink:
        yield sink


def _describe_failure(tool: str, code: int, lines: Sequence[str]) -> str:
    complaints = [line for line in lines if _COMPLAINT.search(line)]
    reason = (complaints or [*lines] or ["it printed nothing"])[-1].strip()[:300]
    ended = f"was killed by {signal.Signals(code - 128).name}" if code in (137, 143) else f"ended with exit code {code}"
    return f"{tool} {ended}: {reason}"
