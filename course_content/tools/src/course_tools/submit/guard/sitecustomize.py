"""Every Python of a submission imports this when it starts (course_tools.submit.runner puts its folder on PYTHONPATH).

It changes nothing for the program, and notes in a file what a grader would trip over: attempts to reach the network,
files outside the working copy, `input()`, modules that are not there, warnings, and which sources run. Where the kernel
cannot take the network away, it also refuses connections. A line of the file is a kind, a tab and a text.
"""

# Nothing is imported here but what is needed, it happens at every start of Python; hence no pathlib and no typing.
# ruff: noqa: PTH100, PTH113, PTH120

from __future__ import annotations

import errno
import fcntl
import os
import sys
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

MOST_LINES = 300  # of one kind
LONGEST_TEXT = 400


class Record:
    """The file in which all processes of the submission note what they do; each line once in a process."""

    def __init__(self, file: str) -> None:
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.descriptor = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 200)  # out of the way of the program's own
        os.close(descriptor)
        self.seen: set[str] = set()
        self.counts: dict[str, int] = {}

    def note(self, kind: str, text: object) -> None:
        """Note one thing."""
        line = f"{kind}\t{str(text)[:LONGEST_TEXT].encode('unicode_escape').decode('ascii')}\n"
        count = self.counts.get(kind, 0)
        if line not in self.seen and count < MOST_LINES:
            self.seen.add(line)
            self.counts[kind] = count + 1
            try:  # noqa: SIM105  (contextlib is not imported)
                os.write(self.descriptor, line.encode())
            except OSError:  # the program may have closed all files
                pass


class Files:
    """Notes files: all may be written in the scratch folder, and nothing of the home is on a grader's machine."""

    def __init__(self, environ: Mapping[str, str], record: Record) -> None:
        self.record = record
        own = tuple(os.path.abspath(entry) + "/" for entry in (*sys.path, sys.prefix, sys.base_prefix) if entry)
        self.writable = (*split_folders(environ, "COURSE_SUBMIT_SCRATCH"), "/dev/", "/proc/")
        self.homes = split_folders(environ, "COURSE_SUBMIT_HOMES")
        self.readable = (*self.writable, *own, *split_folders(environ, "PYTORCH_DATA_DIR"))

    def note(self, path: Any, writes: bool) -> None:
        """Note that `path` is read or written, if a grader's machine would not allow it."""
        if isinstance(path, int) or path is None:
            return
        full = os.path.abspath(os.fsdecode(path))
        if writes:
            if not f"{full}/".startswith(self.writable):
                self.record.note("write", full)
        elif full.startswith(self.homes) and not f"{full}/".startswith(self.readable) and os.path.isfile(full):
            self.record.note("read", full)

    def note_open(self, path: Any, mode: Any, flags: int) -> None:
        """Note a file that is opened."""
        self.note(path, bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)))

    def note_change(self, path: Any, *rest: Any) -> None:
        """Note a file or folder that is made, removed or cut."""
        self.note(path, True)

    def note_rename(self, source: Any, target: Any, *rest: Any) -> None:
        """Note a file that is renamed."""
        self.note(source, True)
        self.note(target, True)


class Network:
    """Notes attempts to reach the network, and refuses them where the kernel could not take it away."""

    def __init__(self, environ: Mapping[str, str], record: Record) -> None:
        self.record = record
        self.refuses = bool(environ.get("COURSE_SUBMIT_REFUSE"))

    def note_connect(self, sock: Any, address: Any, *rest: Any) -> None:
        """Note a connection."""
        if isinstance(address, tuple) and address and not is_local(address[0]):
            self.record.note("network", address[0])
            if self.refuses:
                raise OSError(errno.ENETUNREACH, "Network is unreachable (as on the grader's machine)")

    def note_lookup(self, host: Any, *rest: Any) -> None:
        """Note a question to the name service."""
        host = host.decode(errors="replace") if isinstance(host, bytes | bytearray) else host
        if host and not is_local(host):
            self.record.note("network", host)
            if self.refuses and not host.replace(".", "").isdigit() and ":" not in host:
                import socket

                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution (there is no network)")

    def note_request(self, url: Any, *rest: Any) -> None:
        """Note a request of urllib."""
        host = str(url).partition("://")[2].partition("/")[0]
        if host and not str(url).startswith("file:") and not is_local(host.partition(":")[0]):
            self.record.note("network", host.rpartition("@")[2].partition(":")[0])


class Programs:
    """Notes programs that are started, and questions to somebody at the keyboard."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def note_program(self, executable: Any, *rest: Any) -> None:
        """Note a program with its arguments."""
        words = rest[0] if rest and isinstance(rest[0], list | tuple) else str(executable).split()
        shown = " ".join(os.fsdecode(word) if isinstance(word, bytes) else str(word) for word in words)
        self.record.note("program", shown)

    def note_shell(self, command: Any) -> None:
        """Note a command of os.system."""
        self.note_program(command if isinstance(command, str) else os.fsdecode(command))

    def note_input(self, prompt: Any = None) -> None:
        """Note a question."""
        self.record.note("input", prompt or "")


class Code:
    """Notes which sources of the submission run, and which of their lines, among those that are asked for."""

    def __init__(self, environ: Mapping[str, str], record: Record) -> None:
        self.record = record
        self.folders = split_folders(environ, "COURSE_SUBMIT_SOURCES")
        self.wanted: dict[str, set[int]] = {}
        if file := environ.get("COURSE_SUBMIT_LINES"):
            with open(file, encoding="utf-8") as lines:  # noqa: PTH123
                for line in lines:
                    path, _, number = line.rstrip("\n").rpartition("\t")
                    self.wanted.setdefault(path, set()).add(int(number))

    def note_code(self, code: Any) -> None:
        """Note a source that begins to run: as the program, as a module, by exec."""
        full = os.path.abspath(code.co_filename)
        if full.startswith(self.folders):
            self.record.note("source", full)
            if full in self.wanted:
                self.wanted[code.co_filename] = self.wanted[full]
                self.watch()

    def watch(self) -> None:
        """Watch the lines that are asked for, in all threads. A program without any keeps its speed."""
        import threading

        threading.settrace(self.trace)
        sys.settrace(self.trace)

    def trace(self, frame: Any, event: str, argument: Any) -> Any:
        """Be Python's trace function (sys.settrace): ask for the lines of what contains one that is asked for."""
        lines = self.wanted.get(frame.f_code.co_filename)
        if not lines or all(line not in lines for _, _, line in frame.f_code.co_lines()):
            return None
        return self.trace_line

    def trace_line(self, frame: Any, event: str, argument: Any) -> Any:
        """Note a line that is asked for, once."""
        lines = self.wanted[frame.f_code.co_filename]
        if event == "line" and frame.f_lineno in lines:
            self.record.note("line", f"{os.path.abspath(frame.f_code.co_filename)}\t{frame.f_lineno}")
            lines.discard(frame.f_lineno)
            if not any(self.wanted.values()):
                sys.settrace(None)
        return self.trace_line


class Missing:
    """A finder that is asked last, and finds nothing."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Note the name of a module that nobody found."""
        if path is None:
            self.record.note("missing", name)


def split_folders(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the folders that the variable called `name` lists, each with a slash at its end."""
    return tuple(folder.rstrip("/") + "/" for folder in environ.get(name, "").split(os.pathsep) if folder)


def is_local(host: Any) -> bool:
    """Return whether `host` is this machine."""
    text = host.decode(errors="replace") if isinstance(host, bytes | bytearray) else str(host or "localhost")
    return text in ("localhost", "::1", "::", "0.0.0.0") or text.startswith("127.")


def make_hook(environ: Mapping[str, str], record: Record) -> Callable[[str, tuple[Any, ...]], None]:
    """Return the audit hook (sys.addaudithook) that hands each event to who notes it."""
    files, network, programs = Files(environ, record), Network(environ, record), Programs(record)
    code = Code(environ, record)
    handlers: dict[str, Callable[..., None]] = {
        "builtins.input": programs.note_input,
        "exec": code.note_code,
        "open": files.note_open,
        "os.mkdir": files.note_change,
        "os.remove": files.note_change,
        "os.rename": files.note_rename,
        "os.rmdir": files.note_change,
        "os.system": programs.note_shell,
        "os.truncate": files.note_change,
        "socket.connect": network.note_connect,
        "socket.getaddrinfo": network.note_lookup,
        "socket.gethostbyname": network.note_lookup,
        "socket.sendto": network.note_connect,
        "urllib.Request": network.note_request,
        "subprocess.Popen": programs.note_program,
    }
    busy: list[str] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        handler = handlers.get(event)
        if handler is None or busy:
            return
        busy.append(event)
        try:
            handler(*arguments)
        except OSError as error:
            # Only what a note_... of the network raises is meant for the program.
            if "network" in str(error).lower():
                raise
        except Exception:  # whatever the program gives these functions is its own affair
            pass
        finally:
            busy.pop()

    return hook


def watch_warnings(record: Record) -> None:
    """Note warnings. Deprecations in the modules of a submission are hidden by default, and stay hidden."""
    module: Any = warnings
    show = module._showwarnmsg_impl

    def note_warning(message: Any) -> None:
        record.note("warning", f"{message.category.__name__}\t{message.filename}\t{message.lineno}\t{message.message}")
        hidden = issubclass(message.category, DeprecationWarning | PendingDeprecationWarning)
        if not hidden or os.path.abspath(message.filename) == os.path.abspath(sys.argv[0]):
            show(message)

    for category in (DeprecationWarning, PendingDeprecationWarning):
        warnings.filterwarnings("default", category=category)
    module._showwarnmsg_impl = note_warning


def start(environ: Mapping[str, str] = os.environ) -> None:
    """Put the course's modules on the path, and watch this Python if its environment names a record."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    sys.path += [entry for entry in environ.get("COURSE_SUBMIT_PATH", "").split(os.pathsep) if entry]
    file = environ.get("COURSE_SUBMIT_RECORD")
    if not file:
        return
    record = Record(file)
    watch_warnings(record)
    sys.meta_path.append(Missing(record))
    sys.addaudithook(make_hook(environ, record))


try:
    start()
except Exception as error:
    print(f"course-submit: cannot watch this Python: {error!r}", file=sys.stderr)
