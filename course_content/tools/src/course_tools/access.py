"""The access code: one secret a machine, Jupyter's token and the user's first password."""

import argparse
import hashlib
import json
import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from course_tools.machine import (
    Account,
    Course,
    CourseError,
    Machine,
    become_root,
    exit_with,
    load_course,
    run_checked,
    write_atomically,
)

# 32 letters without the look-alikes l, o, 0 and 1: 12 of them are 60 bits, and can be typed from a text console.
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
PATTERN = re.compile(rf"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}")
CODE_FILE = "/var/lib/course/access-code"
PASSWORD_STAMP = "/var/lib/course/password-set"
CURE = "restart the machine or run: sudo course-access new"


def make_code() -> str:
    """A new random code, for example k7wq-3mzp-x4td."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(3))


def read_code(machine: Machine, course: Course) -> str:
    """The machine's access code; raises CourseError unless it is well formed and only root can change it."""
    path = machine.path(CODE_FILE)
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise CourseError(f"{path} is not a file: {CURE}")
        content = path.read_bytes()
    except FileNotFoundError:
        raise CourseError(f"{path} is missing: {CURE}") from None
    except PermissionError:
        raise CourseError(f"{path} is not readable: {CURE}") from None
    group = machine.account(course.user).gid
    if (status.st_uid, status.st_gid) != (machine.superuser, group) or status.st_mode & 0o027:
        raise CourseError(f"{path} has a wrong owner or mode, wanted 0640 root:{group}: {CURE}")
    return validate_code(content, str(path))


def validate_code(content: bytes, origin: str) -> str:
    """`content` as a code; raises CourseError naming `origin`, never showing what it holds."""
    if not content:
        raise CourseError(f"{origin} is empty: {CURE}")
    text = content.decode("ascii", "replace")
    if text.endswith(("\n", "\r")):
        raise CourseError(f"{origin} ends with a line break, which no browser can send: {CURE}")
    if not PATTERN.fullmatch(text):
        raise CourseError(f"{origin} is malformed: {CURE}")
    return text


def check_gate(machine: Machine, course: Course) -> None:
    """Raise CourseError unless Jupyter may start: it would serve everybody if its token file were empty."""
    if course.access == "open":
        return
    code = read_code(machine, course)
    token_file = os.environ.get("JUPYTER_TOKEN_FILE")
    if token_file:
        # The unit hands Jupyter a copy of the code: the copy is what must be right.
        try:
            with Path(token_file).open("rb") as file:
                token = validate_code(file.read(100), token_file)
        except OSError as error:
            raise CourseError(f"{token_file} is not readable ({error.strerror}): restart jupyter.service") from None
        if token != code:
            raise CourseError(f"{token_file} is not the access code: restart jupyter.service")


def write_code(machine: Machine, course: Course) -> str:
    """Make a new code the machine's, and return it."""
    code = make_code()
    owner = (machine.superuser, machine.account(course.user).gid)
    write_atomically(machine.path(CODE_FILE), code.encode(), mode=0o640, owner=owner)
    return code


def set_password(machine: Machine, course: Course, password: str) -> None:
    """Give the user `password` and record it, so that no later boot takes back a password the student chose."""
    run_checked(machine, ["chpasswd"], stdin=f"{course.user}:{password}\n")
    record = {"code": digest(password), "shadow": digest(read_shadow(machine, course.user))}
    owner = (machine.superuser, machine.superuser_group)
    write_atomically(machine.path(PASSWORD_STAMP), json.dumps(record).encode(), mode=0o600, owner=owner)


def needs_password(machine: Machine, course: Course, password: str) -> bool:
    """Whether the user's password must be set: never done, or done for an older code and not changed since."""
    try:
        record = json.loads(machine.path(PASSWORD_STAMP).read_bytes())
        code, shadow = record["code"], record["shadow"]
    except (OSError, ValueError, TypeError, KeyError):
        return True
    return bool(code != digest(password) and shadow == digest(read_shadow(machine, course.user)))


def read_shadow(machine: Machine, user: str) -> str:
    """The password field of `user` in /etc/shadow; raises CourseError when there is no such line."""
    for line in machine.path("/etc/shadow").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == user:
            return rest.partition(":")[0]
    raise CourseError(f"user {user!r} has no line in /etc/shadow: run pwconv")


def digest(text: str) -> str:
    """SHA-256 of `text` in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def renew_code(machine: Machine, course: Course) -> str:
    """Make a new code, the password with it, and forget the browsers that were logged in; Jupyter restarts later."""
    if course.access == "open":
        raise CourseError('this machine has access = "open": it uses no code')
    code = write_code(machine, course)
    set_password(machine, course, code)
    forget_logins(machine, machine.account(course.user))
    return code


def forget_logins(machine: Machine, account: Account) -> None:
    """Remove the secret that signs Jupyter's login cookies: a cookie would outlive the code that bought it."""
    for folder in (machine.path("/run/jupyter"), account.home / ".local/share/jupyter/runtime"):
        with suppress(FileNotFoundError, NotADirectoryError):
            (folder / "jupyter_cookie_secret").unlink()


def show_code(machine: Machine, course: Course) -> str:
    """The line that `course-access show` prints."""
    if course.access == "open":
        return f"open access: JupyterLab asks for no code; the password of {course.user} is {course.user}"
    return read_code(machine, course)


def run_new(machine: Machine, course: Course) -> None:
    """`course-access new`: the new code, then the console and Jupyter follow."""
    from course_tools import console

    code = renew_code(machine, course)
    print(f"New access code and password of {course.user}: {code}")
    print(f"Open http://localhost:{course.jupyter_port}/lab?token={code} (JupyterLab restarts now)", flush=True)
    console.refresh(machine)
    # Last and without waiting: this command may itself run in a terminal of the server that ends here.
    run_checked(machine, ["systemctl", "--no-block", "restart", "jupyter.service"])


def main() -> None:
    """Entry point of `course-access`."""
    parser = argparse.ArgumentParser(prog="course-access", description="The access code of this machine.")
    parser.add_argument("action", nargs="?", default="show", choices=["show", "new", "check"])
    action = parser.parse_args().action

    def act() -> None:
        machine = Machine()
        course = load_course(machine)
        if action == "show":
            print(show_code(machine, course))
        elif action == "check":
            check_gate(machine, course)
        else:
            become_root(["new"])
            run_new(machine, course)

    exit_with("course-access", act)
