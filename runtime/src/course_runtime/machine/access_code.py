"""The access code: one secret a machine, Jupyter's token and the user's first password."""

import hashlib
import json
import os
import re
import secrets
import stat
from pathlib import Path

from course_runtime.machine.atomic import write_atomically
from course_runtime.machine.machine import Course, CourseError, Machine, run_checked

# 32 letters without the look-alikes l, o, 0 and 1: 12 of them are 60 bits, and can be typed from a text console.
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
PATTERN = re.compile(rf"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}")
CODE_FILE = "/var/lib/course/access-code"
PASSWORD_STAMP = "/var/lib/course/password-set"
CURE = "restart the machine or run: sudo course-access new"


def make_code() -> str:
    """Return a new random code, for example k7wq-3mzp-x4td."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(3))


def read_code(machine: Machine, course: Course) -> str:
    """Return the machine's access code; raise CourseError unless it is well formed and only root can change it."""
    path = machine.path(CODE_FILE)
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise CourseError(f"{path} is not a file", CURE)
        content = path.read_bytes()
    except FileNotFoundError:
        raise CourseError(f"{path} is missing", CURE) from None
    except PermissionError:
        raise CourseError(f"{path} is not readable", CURE) from None
    group = machine.account(course.user).gid
    if (status.st_uid, status.st_gid) != (machine.superuser, group) or status.st_mode & 0o027:
        raise CourseError(f"{path} has a wrong owner or mode, wanted 0640 root:{group}", CURE)
    return validate_code(content, str(path))


def validate_code(content: bytes, origin: str) -> str:
    """Return `content` as a code; raise CourseError naming `origin`, never showing what it holds."""
    if not content:
        raise CourseError(f"{origin} is empty", CURE)
    text = content.decode("ascii", "replace")
    if text.endswith(("\n", "\r")):
        raise CourseError(f"{origin} ends with a line break, which no browser can send", CURE)
    if not PATTERN.fullmatch(text):
        raise CourseError(f"{origin} is malformed", CURE)
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
            raise CourseError(f"{token_file} is not readable ({error.strerror})", "restart jupyter.service") from None
        if token != code:
            raise CourseError(f"{token_file} is not the access code", "restart jupyter.service")


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
    """Return whether the user's password must be set: never done, or done for an older code and not changed since."""
    try:
        record = json.loads(machine.path(PASSWORD_STAMP).read_bytes())
        code, shadow = record["code"], record["shadow"]
    except (OSError, ValueError, TypeError, KeyError):
        return True
    return bool(code != digest(password) and shadow == digest(read_shadow(machine, course.user)))


def read_shadow(machine: Machine, user: str) -> str:
    """Return the password field of `user` in /etc/shadow; raise CourseError when there is no such line."""
    for line in machine.path("/etc/shadow").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == user:
            return rest.partition(":")[0]
    raise CourseError(f"user {user!r} has no line in /etc/shadow", "run pwconv")


def digest(text: str) -> str:
    """Return the SHA-256 of `text` in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
