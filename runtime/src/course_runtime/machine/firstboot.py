"""What makes one machine different from every other: access code and password.

Every boot looks at them before anything listens. It looks at the ssh host key, too, which course-hostkey.service makes:
JupyterLab does not wait for that. Each step looks at its product and does nothing when that is valid, so a boot cut
anywhere ends in the same state at the next one.
"""

import argparse
import os
from pathlib import Path

from course_runtime.machine import access_code, content_number
from course_runtime.machine.atomic import TEMPORARY_PREFIX, TEMPORARY_SUFFIX, fsync_path, write_atomically
from course_runtime.machine.machine import Course, CourseError, Machine, exit_with, load_course

STAMP = "/var/lib/course/firstboot.done"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"  # the only HostKey in sshd_config.d/course.conf: an RSA key takes a second


def prepare(machine: Machine, course: Course) -> None:
    """Give the machine a valid code and password, and no damaged host key; raise CourseError or OSError on failure."""
    make_folder(machine.path("/var/lib/course"))
    content_number.make_folder(machine, machine.account(course.user))
    ensure_password(machine, course, ensure_code(machine, course))
    ensure_stamp(machine, course)
    drop_damaged_key(machine)


def make_folder(folder: Path) -> None:
    """Create the state folder, readable by all as the user reads his code there, and drop a cut write's leftovers."""
    if not folder.is_dir():
        folder.mkdir(mode=0o755, parents=True)
        fsync_path(folder.parent)
    folder.chmod(0o755)
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*{TEMPORARY_SUFFIX}"):
        leftover.unlink()


def ensure_code(machine: Machine, course: Course) -> str:
    """Return the first password: the access code, made if it is not valid; with open access simply the user's name."""
    if course.access == "open":
        return course.user
    try:
        return access_code.read_code(machine, course)
    except CourseError:
        return access_code.write_code(machine, course)


def ensure_password(machine: Machine, course: Course, password: str) -> None:
    """Set the user's password once for each code."""
    if access_code.needs_password(machine, course, password):
        access_code.set_password(machine, course, password)


def ensure_stamp(machine: Machine, course: Course) -> None:
    """Record, after both are on the disk, that the machine has its code and its password."""
    stamp = machine.path(STAMP)
    if not stamp.is_file() or not stamp.stat().st_size:
        owner = (machine.superuser, machine.superuser_group)
        write_atomically(stamp, f"{course.name} {course.version}\n".encode(), mode=0o644, owner=owner)


def drop_damaged_key(machine: Machine) -> None:
    """Remove a damaged ssh host key: course-hostkey.service makes one where there is none."""
    key = machine.path(HOST_KEY)
    if not is_valid_key(key):
        key.unlink(missing_ok=True)
        key.with_suffix(".pub").unlink(missing_ok=True)


def is_valid_key(key: Path) -> bool:
    """Return whether `key` and its public half are both complete."""
    try:
        private, public = key.read_bytes(), key.with_suffix(".pub").read_bytes()
    except OSError:
        return False
    complete = private.startswith(b"-----BEGIN ") and private.rstrip().endswith(b" PRIVATE KEY-----")
    return complete and public.startswith(b"ssh-ed25519 ") and public.endswith(b"\n")


def main() -> None:
    """Run `course-firstboot`."""
    parser = argparse.ArgumentParser(prog="course-firstboot", description=__doc__.splitlines()[0])
    parser.parse_args()

    def act() -> None:
        if os.geteuid() != 0:
            raise CourseError("this prepares the machine and needs root", "sudo course-firstboot")
        machine = Machine()
        prepare(machine, load_course(machine))

    exit_with("course-firstboot", act)
