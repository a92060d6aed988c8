"""Every Python of a submission imports this when it starts (course_tools.submit.runner puts its folder on PYTHONPATH).

It changes nothing for the program, and notes in a file what a grader would trip over: attempts to reach the network,
files outside the working copy, `input()`, modules that are not there, warnings. Where the kernel cannot take the
network away, it also refuses connections. A line of the file is a kind, a tab and a text.
"""

# Nothing is imported here but what is needed, it happens at every start of Python; hence no pathlib.
# ruff: noqa: PTH100, PTH113, PTH120

import os
import sys


def _start(environ=os.environ):
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    sys.path += [entry for entry in environ.get("COURSE_SUBMIT_PATH", "").split(os.pathsep) if entry]
    record_file = environ.get("COURSE_SUBMIT_RECORD")
    if not record_file:
        return

    import contextlib
    import errno
    import fcntl
    import warnings

    descriptor = os.open(record_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 200)
    os.close(descriptor)
    seen = set()

    def record(kind, text):
        line = f"{kind}\t{str(text)[:400].encode('unicode_escape').decode('ascii')}\n"
        if line not in seen and len(seen) < 300:
            seen.add(line)
            with contextlib.suppress(OSError):  # the program may have closed all files
                os.write(high, line.encode())

    # Files: everything may be written in the scratch folder, and nothing of the student's home is on another machine.
    def split(name):
        return tuple(folder.rstrip("/") + "/" for folder in environ.get(name, "").split(os.pathsep) if folder)

    own = tuple(os.path.abspath(entry) + "/" for entry in (*sys.path, sys.prefix, sys.base_prefix) if entry)
    writable = (*split("COURSE_SUBMIT_SCRATCH"), "/dev/", "/proc/")
    homes = split("COURSE_SUBMIT_HOMES")
    readable = (*writable, *own, *split("PYTORCH_DATA_DIR"))

    def note_file(path, writes):
        if isinstance(path, int) or path is None:
            return
        full = os.path.abspath(os.fsdecode(path))
        if writes:
            if not f"{full}/".startswith(writable):
                record("write", full)
        elif full.startswith(homes) and not f"{full}/".startswith(readable) and os.path.isfile(full):
            record("read", full)

    def note_open(path, mode, flags):
        note_file(path, bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)))

    def note_change(path, *rest):
        note_file(path, True)

    def note_rename(source, target, *rest):
        note_file(source, True)
        note_file(target, True)

    # The network.
    refuses = bool(environ.get("COURSE_SUBMIT_REFUSE"))

    def is_local(host):
        host = host.decode(errors="replace") if isinstance(host, bytes | bytearray) else str(host or "localhost")
        return host in ("localhost", "::1", "::", "0.0.0.0") or host.startswith("127.")

    def note_connect(sock, address, *rest):
        if isinstance(address, tuple) and address and not is_local(address[0]):
            record("network", address[0])
            if refuses:
                raise OSError(errno.ENETUNREACH, "Network is unreachable (as on the grader's machine)")

    def note_lookup(host, *rest):
        host = host.decode(errors="replace") if isinstance(host, bytes | bytearray) else host
        if host and not is_local(host):
            record("network", host)
            if refuses and not host.replace(".", "").isdigit() and ":" not in host:
                import socket

                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution (there is no network)")

    def note_request(url, *rest):
        host = str(url).partition("://")[2].partition("/")[0]
        if host and not str(url).startswith("file:") and not is_local(host.partition(":")[0]):
            record("network", host.rpartition("@")[2].partition(":")[0])

    def note_program(executable, *rest):
        words = rest[0] if rest and isinstance(rest[0], list | tuple) else str(executable).split()
        record("program", " ".join(os.fsdecode(word) if isinstance(word, bytes) else str(word) for word in words))

    handlers = {
        "builtins.input": lambda prompt=None: record("input", prompt or ""),
        "open": note_open,
        "os.mkdir": note_change,
        "os.remove": note_change,
        "os.rename": note_rename,
        "os.rmdir": note_change,
        "os.system": lambda command: note_program(command if isinstance(command, str) else os.fsdecode(command)),
        "os.truncate": note_change,
        "socket.connect": note_connect,
        "socket.getaddrinfo": note_lookup,
        "socket.gethostbyname": note_lookup,
        "socket.sendto": note_connect,
        "urllib.Request": note_request,
        "subprocess.Popen": note_program,
    }
    busy = []

    def hook(event, arguments):
        handler = handlers.get(event)
        if handler is None or busy:
            return
        busy.append(event)
        try:
            handler(*arguments)
        except OSError as error:
            if "network" in str(error).lower():
                raise
        except Exception:  # whatever the program gives these functions is its own affair
            pass
        finally:
            busy.pop()

    class Missing:
        """A finder that is asked last, and finds nothing."""

        @staticmethod
        def find_spec(name, path=None, target=None):
            if path is None:
                record("missing", name)

    # Deprecations in the modules of a submission are hidden by default; they are noted, and stay hidden.
    show = warnings._showwarnmsg_impl

    def note_warning(message):
        record("warning", f"{message.category.__name__}\t{message.filename}\t{message.lineno}\t{message.message}")
        hidden = issubclass(message.category, DeprecationWarning | PendingDeprecationWarning)
        if not hidden or os.path.abspath(message.filename) == os.path.abspath(sys.argv[0]):
            show(message)

    for category in (DeprecationWarning, PendingDeprecationWarning):
        warnings.filterwarnings("default", category=category)
    warnings._showwarnmsg_impl = note_warning
    sys.meta_path.append(Missing)
    sys.addaudithook(hook)


try:
    _start()
except Exception as error:
    print(f"course-submit: cannot watch this Python: {error!r}", file=sys.stderr)
del _start
