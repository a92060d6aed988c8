"""The machine the commands act on: its files, its programs, its course, all replaceable in tests."""

import errno
import json
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, NoReturn, Protocol

JUPYTER_PORT = 8888
"""Where JupyterLab listens inside of every product, if nothing else is asked for; course.json has the host's port."""


class CourseError(Exception):
    """What is wrong and its cure, together one line for the student."""

    def __init__(self, reason: str, cure: str = "") -> None:
        super().__init__(reason, cure)
        self.reason, self.cure = reason, cure

    def __str__(self) -> str:
        return f"{self.reason}: {self.cure}" if self.cure else self.reason


FULL_DISK = "delete files you do not need, then run it again"
CURES = {
    errno.ENOSPC: FULL_DISK,
    errno.EDQUOT: FULL_DISK,
    errno.EROFS: "restart the machine, then run it again",
}
"""What cures a disk that takes no more, by error number."""


def find_cure(message: str) -> str:
    """Return what cures a disk that takes no more; "" when `message`, in the C locale, tells of something else."""
    return next((cure for number, cure in CURES.items() if os.strerror(number) in message), "")


def explain(error: OSError) -> CourseError:
    """Return `error` in words for the student, with its cure where there is one."""
    reason = error.strerror or str(error)
    return CourseError(f"{error.filename}: {reason}" if error.filename else reason, find_cure(reason))


@dataclass(frozen=True)
class Finished:
    """How a program ended: exit status (127: not installed, 124: ran too long), and what it printed."""

    status: int
    output: str


class Runner(Protocol):
    """Runs a program to its end; `stdin` is text to feed it, `timeout` is in seconds."""

    def __call__(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 30) -> Finished: ...


@dataclass(frozen=True)
class Account:
    """A Linux account: numeric ids and home folder."""

    uid: int
    gid: int
    home: Path


@dataclass(frozen=True)
class Course:
    """What the machine's builder wrote in /etc/course/course.json; ports are those of the host.

    address: where content releases are, "" for nowhere. updates: whether `course-update` may ask there.
    """

    code: str
    title: str
    institution: str
    semester: str
    name: str
    slug: str
    user: str
    access: str
    jupyter_port: int
    ssh_port: int
    product: str
    version: str
    address: str = ""
    updates: bool = True


def run_program(argv: Sequence[str], *, stdin: str = "", timeout: float = 30) -> Finished:
    """Run `argv` in the C locale with `stdin` as its input; see `Finished` for a missing program or a time-out."""
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except FileNotFoundError:
        return Finished(127, f"{argv[0]} is not installed")
    except subprocess.TimeoutExpired:
        return Finished(124, f"{argv[0]} took more than {timeout:g} s")
    return Finished(done.returncode, done.stdout)


class Prober(Protocol):
    """GET http://127.0.0.1:`port``path`, or https: (status, body), or (0, the reason) when nobody answers in time."""

    def __call__(self, port: int, path: str, *, secure: bool = False) -> tuple[int, str]: ...


def probe_http(port: int, path: str, *, secure: bool = False, timeout: float = 3) -> tuple[int, str]:
    """Probe as `Prober` says; the certificate of a server on this machine is its own, and is not checked."""
    # Here, because a container's start needs everything else of this module, and these take half of its time.
    import http.client
    import ssl

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    if secure:
        unchecked = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=unchecked)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(65536).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error) or type(error).__name__
    finally:
        connection.close()


def list_addresses() -> list[str]:
    """Return the IPv4 addresses of this machine's network cards, without a program or a packet."""
    # Here, for the same reason as in probe_http.
    import fcntl
    import socket

    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        # Only a card has a device: not the loopback interface, and no bridge of a program in here.
        for card in sorted(Path("/sys/class/net").glob("*/device")):
            try:
                answer = fcntl.ioctl(asked, 0x8915, card.parent.name.encode().ljust(40, b"\0"))  # SIOCGIFADDR
            except OSError:
                continue  # it has no address
            found.append(socket.inet_ntoa(answer[20:24]))
    return found


def find_account(user: str) -> Account:
    """Return the account called `user`; raise CourseError when there is none."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise CourseError(f"user {user!r} does not exist", "check 'user' in /etc/course/course.json") from None
    return Account(entry.pw_uid, entry.pw_gid, Path(entry.pw_dir))


@dataclass(frozen=True)
class Machine:
    """Where system files lie (`root`), the numeric owner they must have, and how the outside world is reached."""

    root: Path = Path("/")
    superuser: int = 0
    superuser_group: int = 0
    run: Runner = run_program
    account: Callable[[str], Account] = find_account
    probe: Prober = probe_http
    addresses: Callable[[], list[str]] = list_addresses

    def path(self, absolute: str) -> Path:
        """Return where the system file `absolute` lies on this machine."""
        return self.root / absolute.lstrip("/")

    def is_booted(self) -> bool:
        """Return whether this is a machine of one's own with services; a container is not."""
        return self.path("/run/systemd/system").is_dir()


def load_course(machine: Machine) -> Course:
    """Read /etc/course/course.json; raise CourseError when it is missing or not as `Course` says."""
    path = machine.path("/etc/course/course.json")
    try:
        values: dict[str, Any] = json.loads(path.read_bytes())
        named = [field.name for field in fields(Course) if field.name in values or field.default is MISSING]
        course = Course(**{name: values[name] for name in named})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CourseError(f"{path}: not a course description ({error})", "restore it from the course's image") from None
    if course.access not in {"code", "open"}:
        raise CourseError(f"{path}: access is {course.access!r}", 'it must be "code" or "open"')
    return course


PATIENCE = 900  # seconds, as services have to start: a tenth of a core needs minutes for some programs


def run_checked(machine: Machine, argv: Sequence[str], *, stdin: str = "") -> str:
    """Run a program that must succeed and return its output; raise CourseError with its last line."""
    done = machine.run(argv, stdin=stdin, timeout=PATIENCE)
    if done.status:
        lines = done.output.strip().splitlines() or ["no message"]
        raise CourseError(f"{argv[0]} failed with status {done.status}: {lines[-1]}", find_cure(done.output))
    return done.output


def become_root(arguments: Sequence[str]) -> None:
    """Start this command again through sudo unless it already runs as root; return only as root."""
    if os.geteuid() == 0:
        return
    sys.stdout.flush()
    try:
        os.execvp("sudo", ["sudo", os.path.realpath(sys.argv[0]), *arguments])
    except FileNotFoundError:
        raise CourseError("this needs root and sudo is not installed", "run it as root") from None


def exit_with(command: str, action: Callable[[], int | None]) -> NoReturn:
    """Run a command's `action` and exit with its status; a CourseError or OSError is one line and status 1."""
    try:
        status = action() or 0
    except CourseError as error:
        print(f"{command}: {error}", file=sys.stderr)
        status = 1
    except OSError as error:
        print(f"{command}: {explain(error)}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
