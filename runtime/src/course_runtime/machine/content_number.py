"""The number of the content release that is in the home: `course-sync` leaves it here, and the window shows it.

The window's service sees no home folder, so the number lies in /run. course-firstboot makes the folder, the student's.
"""

import json
import os
import stat
from contextlib import suppress

from course_runtime.machine.atomic import write_atomically
from course_runtime.machine.machine import Account, Machine

FOLDER = "/run/course"
FILE = f"{FOLDER}/content-release"
MANIFEST = "/opt/course/content/manifest.json"


def make_folder(machine: Machine, account: Account) -> None:
    """Make the folder, for this boot, in which `account` may write the number."""
    folder = machine.path(FOLDER)
    folder.mkdir(mode=0o755, exist_ok=True)
    os.chown(folder, account.uid, account.gid)


def write_number(machine: Machine, number: int) -> None:
    """Leave the number; where there is no such folder, nobody will ask for it."""
    path = machine.path(FILE)
    with suppress(OSError):
        if path.parent.is_dir():
            write_atomically(path, f"{number}\n".encode(), mode=0o644)


def read_number(machine: Machine) -> int:
    """Return the number that was left, else that of the machine's own content; 0 for none."""
    with suppress(OSError, ValueError):
        # The student's file: whatever lies there, root reads a few bytes of a plain file and nothing else.
        descriptor = os.open(machine.path(FILE), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            text = file.read(8) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
        if text.strip().isdigit():
            return int(text)
    with suppress(OSError, ValueError, TypeError, KeyError):
        return int(json.loads(machine.path(MANIFEST).read_bytes())["release"])
    return 0
