"""Runs a program of a submission as on a grader's machine: the part of `course-submit` that starts and ends processes.

The program gets an environment of its own: no packages of the student's home, an empty home, no network, no keyboard. A
time limit ends it with all that it started, and nothing of it is left behind.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
GUARD = PACKAGE / "submit/guard"
LAUNCH = PACKAGE / "submit/launch.py"
PROLOGUE = "dlc_practical_prologue.py"

PR_SET_CHILD_SUBREAPER = 36
KEPT_BYTES = 64 * 1024  # of the end of the output
PATIENCE = 1.0  # seconds for helpers of Python (its resource tracker) to notice that the program ended

# What of the student's environment a grader's machine has as well, in its own way.
KEPT = {
    "CUDA_VISIBLE_DEVICES", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "MKL_NUM_THREADS",
    "NVIDIA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "PYTORCH_DATA_DIR", "SSL_CERT_FILE", "TZ",
    "COURSE_TINY",
}  # fmt: skip
PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass
class Ended:
    """How a program ended, and what was seen meanwhile."""

    status: int = 0
    """Its exit status, negative for the signal that ended it."""
    seconds: float = 0.0
    peak_memory: int = 0
    """The largest memory of one of its processes, bytes."""
    timed_out: bool = False
    isolation: str = ""
    output: str = ""
    """The end of what it printed."""
    output_size: int = 0
    left_running: list[str] = field(default_factory=list)
    records: list[tuple[str, str]] = field(default_factory=list)
    """What the guard inside noted: (kind, text)."""

    def list_records(self, kind: str) -> list[str]:
        return [text for name, text in self.records if name == kind]


def run(
    argv: Sequence[str],
    folder: Path,
    scratch: Path,
    *,
    time_limit: float,
    environ: Mapping[str, str] = os.environ,
    homes: Sequence[Path] = (),
    writable: Path | None = None,
    lines: Sequence[tuple[Path, int]] = (),
) -> Ended:
    """Run `argv` in `folder` and wait until it and all its children ended.

    It may write in `writable` (default: `folder`) and in `scratch`, where its home and its temporary files lie; `homes`
    are folders that a grader does not have. The records say which sources ran, and which of `lines` (file, number):
    watching these takes time.
    """
    ended = Ended()
    record = scratch / "record"
    record.unlink(missing_ok=True)
    environment = make_environment(environ, scratch, record, homes)
    environment["COURSE_SUBMIT_SCRATCH"] = os.pathsep.join(map(os.fspath, (scratch, writable or folder)))
    environment["COURSE_SUBMIT_SOURCES"] = os.fspath(writable or folder)
    if lines:
        (scratch / "lines").write_text("".join(f"{path}\t{number}\n" for path, number in lines))
        environment["COURSE_SUBMIT_LINES"] = os.fspath(scratch / "lines")
    reader, writer = os.pipe()
    others = set(list_children(os.getpid()))
    adopt_orphans()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", os.fspath(LAUNCH), str(writer), *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            pass_fds=[writer],
            start_new_session=True,
        )
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    try:
        with os.fdopen(reader, "rb") as tell:
            ended.isolation = tell.read().decode() or "unknown"
        watch(process, ended, time_limit)
    finally:
        end_all(process, ended, others)
    ended.records = read_records(record)
    return ended


def make_environment(
    environ: Mapping[str, str], scratch: Path, record: Path, homes: Sequence[Path] = ()
) -> dict[str, str]:
    """Return the environment of the program: what is in KEPT, and folders of its own."""
    own = {}
    for name in ("home", "tmp"):
        (scratch / name).mkdir(exist_ok=True)
        own[name] = os.fspath(scratch / name)
    return {
        **{name: value for name, value in environ.items() if name in KEPT},
        "PATH": f"{Path(sys.executable).parent}:{PATH}",
        "HOME": own["home"],
        "TMPDIR": own["tmp"],
        "USER": "grader",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": os.fspath(GUARD),
        "PYTHONUNBUFFERED": "1",
        "COURSE_SUBMIT_HOMES": os.pathsep.join(map(os.fspath, homes)),
        "COURSE_SUBMIT_PATH": os.pathsep.join(map(os.fspath, find_course())),
        "COURSE_SUBMIT_RECORD": os.fspath(record),
        **{name: value for name, value in environ.items() if name == "COURSE_SUBMIT_MEANS"},
    }


def find_course() -> Iterator[Path]:
    """Yield the folders of the course's own modules, for a Python that does not have them on its path."""
    yield PACKAGE.parent
    for folder in (PACKAGE.parents[2] / "prologue", Path("/opt/course/content/prologue")):
        if (folder / PROLOGUE).is_file():
            yield folder


def find_home() -> Path:
    """Return the student's home; "/" for a user without one, as in a container with any uid."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  (Path.home raises)
    return home if home.is_absolute() else Path("/")


def watch(process: "subprocess.Popen[bytes]", ended: Ended, time_limit: float) -> None:
    """Read what the program prints until it ends or its time is over; the start of its sandbox does not count."""
    assert process.stdout
    start = time.monotonic()
    deadline = start + time_limit
    output = Tail(ended)
    while True:
        ready, _, _ = select.select([process.stdout], [], [], 0.05)
        if ready and not output.read(process.stdout.fileno()):
            time.sleep(0.02)  # it closed its output, and goes on
        if note_end(process, ended):
            break
        if time.monotonic() > deadline:
            ended.timed_out = True
            break
    ended.seconds = time.monotonic() - start
    while select.select([process.stdout], [], [], 0)[0] and output.read(process.stdout.fileno()):
        if time.monotonic() > deadline + PATIENCE:  # a child goes on printing
            break


class Tail:
    """Keeps the end of what a program prints."""

    def __init__(self, ended: Ended) -> None:
        self.ended, self.pieces = ended, deque[bytes]()

    def read(self, descriptor: int) -> bool:
        """Take a piece; False at the end."""
        piece = os.read(descriptor, KEPT_BYTES)
        self.pieces.append(piece)
        self.ended.output_size += len(piece)
        while sum(map(len, self.pieces)) - len(self.pieces[0]) > KEPT_BYTES:
            self.pieces.popleft()
        self.ended.output = b"".join(self.pieces)[-KEPT_BYTES:].decode(errors="replace")
        return bool(piece)


def note_end(process: "subprocess.Popen[bytes]", ended: Ended, *, wait: bool = False) -> bool:
    """Return whether the program ended; takes its status and its memory when it did."""
    if process.returncode is not None:
        return True
    pid, status, usage = os.wait4(process.pid, 0 if wait else os.WNOHANG)
    if pid == 0:
        return False
    process.returncode = ended.status = os.waitstatus_to_exitcode(status)
    ended.peak_memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return True


def end_all(process: "subprocess.Popen[bytes]", ended: Ended, others: set[int]) -> None:
    """End the program and everything that it started, and say what was still running after its end."""
    killed = process.returncode is None
    if killed:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        note_end(process, ended, wait=True)
    deadline = time.monotonic() + (0 if killed else PATIENCE)
    while (left := list_descendants(os.getpid(), others)) and time.monotonic() < deadline:
        reap(left)
        time.sleep(0.02)
    ended.left_running = [] if killed else [name for pid in left if (name := read_name(pid))]
    deadline = time.monotonic() + 10
    while (left := list_descendants(os.getpid(), others)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        reap(left)
        time.sleep(0.01)
    if process.stdout:
        process.stdout.close()


def adopt_orphans() -> None:
    """Make the children of a program that ended ours, so that they can be found."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1))


def reap(pids: Sequence[int]) -> None:
    """Take the status of those that ended and are ours."""
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def list_descendants(pid: int, others: set[int]) -> list[int]:
    """Return the children of process `pid`, without `others`, and theirs."""
    found = [child for child in list_children(pid) if child not in others]
    for child in found:
        found += [grandchild for grandchild in list_children(child) if grandchild not in found]
    return found


def list_children(pid: int) -> list[int]:
    """Return the children of process `pid`, those that ended and were not waited for among them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError, ValueError):
            # The name, in brackets, may hold anything.
            if int(stat.read_text(errors="replace").rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def read_name(pid: int) -> str:
    """Return the command line of process `pid`; "" when it ended."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b" ".join(words).decode(errors="replace").strip()
    return ""


def read_records(path: Path) -> list[tuple[str, str]]:
    """Return what the guard noted, each line once."""
    with suppress(OSError):
        lines = dict.fromkeys(path.read_text(errors="replace").splitlines())
        pairs = [line.partition("\t") for line in lines]
        return [(kind, text.encode().decode("unicode_escape", errors="replace")) for kind, _, text in pairs]
    return []


@contextmanager
def signals_end_the_run() -> Iterator[None]:
    """Let a closed terminal or `kill` clean up as Ctrl-C does."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
