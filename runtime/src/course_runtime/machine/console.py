"""What the machine's own window says: where JupyterLab is, with which code, and whether it works."""

import argparse
import base64
import hashlib
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from course_runtime.machine.access_code import read_code
from course_runtime.machine.atomic import write_atomically
from course_runtime.machine.content_number import read_number
from course_runtime.machine.firstboot import HOST_KEY
from course_runtime.machine.machine import (
    JUPYTER_PORT,
    Course,
    CourseError,
    Machine,
    become_root,
    exit_with,
    load_course,
)

ISSUE = "/run/issue.d/50-course.issue"
READY = "ready"
DISK_LIMIT = 90  # percent
NAT_ADDRESS = "10.0.2.15"  # of a machine behind the NAT of VirtualBox or QEMU, which forwards the host's ports
LEISURE = 30.0  # seconds between two looks at a server that serves
HASTE = 10.0  # seconds between two looks at one that starts


@dataclass(frozen=True)
class Page:
    """What the window shows: a title, rows of a label and a value, and whether JupyterLab is ready."""

    title: str
    rows: tuple[tuple[str, str], ...]
    ready: bool

    @property
    def text(self) -> str:
        """The page without colours; it ends with a line break."""
        return "".join(f"{line}\n" for line in [self.title, *(format_row(*row) for row in self.rows)])


def format_row(label: str, value: str) -> str:
    """Return one line of the page."""
    return f"  {label:<11}  {value}"


def describe_machine(machine: Machine, course: Course) -> Page:
    """Look at the machine and describe it."""
    try:
        code = read_code(machine, course) if course.access == "code" else ""
        problem = ""
    except CourseError as error:
        code, problem = "", str(error)
    url = f"http://localhost:{course.jupyter_port}"
    status = f"STOPPED: {problem}" if problem else read_status(machine)
    rows = (
        ("JupyterLab", url),
        ("Access code", code or ("none, open access" if course.access == "open" else "not valid")),
        *([("Link", f"{url}/lab?token={code}")] if code else []),
        *[("Address", address) for address in list_ways(machine, course)],
        ("ssh", f"ssh -p {course.ssh_port} {course.user}@localhost"),
        ("Keyboard", "set-kbd"),
        ("Stop", "bye   (in a notebook: !bye)"),
        ("Status", status),
        *[("Warning", warning) for warning in list_warnings(machine, course)],
        *[("Host key", key) for key in list_fingerprints(machine)],
    )
    number = read_number(machine)
    content = f", content {number}" if number else ""
    title = f"{course.code} {course.title}, {course.semester}{content} ({course.institution})"
    return Page(title, rows, status == READY)


def list_ways(machine: Machine, course: Course) -> list[str]:
    """Return the addresses at which other computers reach this machine, each with the way to JupyterLab.

    JupyterLab answers to the name localhost only, so that way is a tunnel.
    """
    tunnel = f"ssh -L {course.jupyter_port}:localhost:{JUPYTER_PORT} {course.user}@"
    return [
        f"{address}   (JupyterLab: {tunnel}{address}, then the address above)"
        for address in machine.addresses()
        if address != NAT_ADDRESS
    ]


def answers(machine: Machine) -> bool:
    """Return whether JupyterLab answers; this costs no program."""
    return machine.probe(JUPYTER_PORT, "/api")[0] == 200


def read_status(machine: Machine) -> str:
    """Return how JupyterLab stands: ready, starting, stopped (with reason and cure), or nobody can say just now."""
    asked = ("ActiveState", "Job", "NRestarts")
    argv = ["systemctl", "show", "jupyter.service", *(f"--property={name}" for name in asked)]
    shown = machine.run(argv, timeout=10)
    if shown.status == 124:
        return "busy: the machine has not answered for 10 s"
    if shown.status:
        return f"STOPPED: systemctl does not answer (status {shown.status}): restart the machine"
    unit = dict(line.split("=", 1) for line in shown.output.splitlines() if "=" in line)
    state = unit.get("ActiveState", "")
    if state == "active" and answers(machine):
        return READY
    if state == "failed":
        return "STOPPED: JupyterLab failed, see journalctl -u jupyter, then: sudo systemctl restart jupyter"
    # Job is the number of a queued start: at boot the unit is inactive for as long as it waits for its turn.
    if state in {"inactive", "deactivating"} and unit.get("Job", "0") in {"", "0"}:
        return "STOPPED: JupyterLab does not run, start it with: sudo systemctl start jupyter"
    restarts = unit.get("NRestarts", "0")
    if restarts not in {"", "0"}:
        return f"starting (failed {restarts} times, see journalctl -u jupyter)"
    return "starting"


def list_warnings(machine: Machine, course: Course) -> list[str]:
    """Return what the student should know before it hurts."""
    warnings = []
    if course.access == "open":
        warnings.append(
            f"OPEN ACCESS: whoever reaches port {course.jupyter_port} controls this machine;"
            f" password of {course.user}: {course.user}. Classrooms only."
        )
    used = measure_disk(machine.path("/"))
    if used > DISK_LIMIT:
        warnings.append(f"disk {used} % full: delete files you do not need, saving fails when it is full")
    return warnings


def measure_disk(folder: Path) -> int:
    """Return the percentage of the file system of `folder` in use, counted as df does: root's reserve is not free."""
    disk = os.statvfs(folder)
    used = disk.f_blocks - disk.f_bfree
    return -(-100 * used // max(1, used + disk.f_bavail))


def list_fingerprints(machine: Machine) -> list[str]:
    """Return the fingerprint that ssh shows at the first connection, as `SHA256:... (ED25519)`; empty without a key."""
    try:
        kind, key = machine.path(f"{HOST_KEY}.pub").read_text().split()[:2]
        digest = hashlib.sha256(base64.b64decode(key)).digest()
    except (OSError, ValueError):
        return []
    return [f"SHA256:{base64.b64encode(digest).decode().rstrip('=')} ({kind.removeprefix('ssh-').upper()})"]


def format_issue(page: Page) -> str:
    """Return `page` as a file for agetty(8), which turns \\e{name} into a colour."""
    rows = [
        format_row(label, paint(escape_for_agetty(value), choose_colour(label, value))) for label, value in page.rows
    ]
    return "\n".join(["", escape_for_agetty(page.title), *rows, "", ""])


def choose_colour(label: str, value: str) -> str:
    """Return agetty's name of the colour in which a value stands out, "" for most."""
    if label == "Access code":
        return "bold"
    if label == "Status":
        return "lightgreen" if value == READY else "lightred" if value.startswith("STOPPED") else "yellow"
    return ""


def paint(text: str, colour: str) -> str:
    """Return `text` in `colour`, for agetty."""
    return f"\\e{{{colour}}}{text}\\e{{reset}}" if colour else text


def escape_for_agetty(text: str) -> str:
    """Return `text` as agetty shows it: it expands sequences that begin with a backslash."""
    printable = "".join(letter for letter in text if letter.isprintable())
    return printable.replace("\\", "\\\\")


def refresh(machine: Machine) -> bool:
    """Bring the window up to date; True when its text changed. Raise CourseError or OSError."""
    return show(machine, describe_machine(machine, load_course(machine)))


def show(machine: Machine, page: Page) -> bool:
    """Show `page` in the window; True when its text changed. Raise CourseError or OSError."""
    issue = machine.path(ISSUE)
    text = format_issue(page)
    if issue.is_file() and issue.read_text() == text:
        return False
    issue.parent.mkdir(mode=0o755, exist_ok=True)
    # The file holds the access code: the window shows it to whoever sits there, other accounts have no business here.
    write_atomically(issue, text.encode(), mode=0o600, owner=(machine.superuser, machine.superuser_group))
    machine.run(["agetty", "--reload"])
    return True


def watch(machine: Machine) -> None:
    """Keep the window up to date for ever: closely while JupyterLab starts, at leisure once it serves."""
    answered = False
    while True:
        began = time.monotonic()
        page = describe_machine(machine, load_course(machine))
        show(machine, page)
        notify_ready()
        if page.ready:
            time.sleep(LEISURE)
        else:
            answered = wait_for_change(machine, answered, choose_pause(time.monotonic() - began))


def wait_for_change(machine: Machine, answered: bool, seconds: float) -> bool:
    """Wait for `seconds`, or until whether JupyterLab answers is no longer `answered`; return whether it answers."""
    deadline = time.monotonic() + seconds
    while answers(machine) == answered:
        if time.monotonic() >= deadline:
            return answered
        time.sleep(1)
    return not answered


def choose_pause(took: float) -> float:
    """Return the seconds until the next round while JupyterLab starts, after one that took `took` seconds.

    On a tenth of a core a round takes more than ten seconds, and JupyterLab needs that time more.
    """
    return min(LEISURE, max(HASTE, 5 * took))


def notify_ready() -> None:
    """Tell systemd, which started us with Type=notify, that the login prompts may follow (sd_notify(3))."""
    address = os.environ.pop("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(b"READY=1", address.replace("@", "\0", 1) if address.startswith("@") else address)


def main() -> None:
    """Run `course-console`."""
    parser = argparse.ArgumentParser(prog="course-console", description="The text on the machine's own window.")
    parser.add_argument("action", nargs="?", default="show", choices=["show", "refresh", "watch"])
    action = parser.parse_args().action

    def act() -> None:
        machine = Machine()
        if action == "show":
            print(describe_machine(machine, load_course(machine)).text, end="")
        else:
            become_root([action])
            {"refresh": refresh, "watch": watch}[action](machine)

    exit_with("course-console", act)
