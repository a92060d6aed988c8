"""The password that Jupyter may keep beside the access code, in the student's own settings."""

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

from course_runtime.machine.atomic import write_atomically
from course_runtime.machine.machine import Account, CourseError

FOLDER, SETTINGS = ".jupyter", "jupyter_server_config.json"
PLACES = (
    ("IdentityProvider", "hashed_password"),
    ("PasswordIdentityProvider", "hashed_password"),
    ("ServerApp", "password"),
)
CURE = "delete that file, then run course-access new again"


def drop_password(account: Account) -> None:
    """Remove a stored password from the settings of `account`, and keep the rest of them.

    Raise CourseError where that is not possible; the file is then as it was.
    """
    shown = account.home / FOLDER / SETTINGS
    try:
        folder = os.open(account.home / FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            rewrite_settings(folder, (account.uid, account.gid))
        finally:
            os.close(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        is_link = error.errno in {errno.ELOOP, errno.ENOTDIR}
        reason = "a link is in the way" if is_link else error.strerror
        raise CourseError(f"{shown} may hold a password, but {reason}", CURE) from None
    except ValueError:
        raise CourseError(f"{shown} may hold a password, but it is damaged", CURE) from None


def rewrite_settings(folder: int, owner: tuple[int, int]) -> None:
    """Write the settings in the open `folder` anew without a password; raise OSError or, on damaged ones, ValueError.

    Root works in a student's folder here. It follows no link, which could lead to files of others.
    """
    descriptor = os.open(SETTINGS, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        settings = json.loads(file.read())
    if not isinstance(settings, dict):
        raise ValueError("these are no settings")
    if remove_password(settings):
        text = json.dumps(settings, indent=2) + "\n"
        write_atomically(Path(f"/proc/self/fd/{folder}", SETTINGS), text.encode(), mode=mode, owner=owner)


def remove_password(settings: dict[str, Any]) -> bool:
    """Remove the password from `settings`; return whether there was one."""
    found = False
    for section, name in PLACES:
        values = settings.get(section)
        if isinstance(values, dict) and name in values:
            del values[name]
            found = True
    return found
