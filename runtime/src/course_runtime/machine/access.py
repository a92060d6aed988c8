"""`course-access`: show the access code, make a new one, or check that Jupyter may start."""

import argparse
import sys
from contextlib import suppress

from course_runtime.machine import console
from course_runtime.machine.access_code import check_gate, read_code, set_password, write_code
from course_runtime.machine.jupyter_password import drop_password
from course_runtime.machine.machine import (
    Account,
    Course,
    CourseError,
    Machine,
    become_root,
    exit_with,
    load_course,
    run_checked,
)


def renew_code(machine: Machine, course: Course) -> str:
    """Make a new code, the password with it, and forget the browsers that were logged in; Jupyter restarts later."""
    if course.access == "open":
        raise CourseError('this machine has access = "open"', "it uses no code")
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
    """Return the line that `course-access show` prints."""
    if course.access == "open":
        return f"open access: JupyterLab asks for no code; the password of {course.user} is {course.user}"
    return read_code(machine, course)


def run_new(machine: Machine, course: Course) -> None:
    """Run `course-access new`: make the new code, then show it in the window and restart Jupyter."""
    code = renew_code(machine, course)
    try:
        drop_password(machine.account(course.user))
    except CourseError as error:
        print(f"course-access: {error}", file=sys.stderr)
    print(f"New access code and password of {course.user}: {code}")
    print(f"Open http://localhost:{course.jupyter_port}/lab?token={code} (JupyterLab restarts now)", flush=True)
    console.refresh(machine)
    # Last and without waiting: this command may itself run in a terminal of the server that ends here.
    run_checked(machine, ["systemctl", "--no-block", "restart", "jupyter.service"])


def main() -> None:
    """Run `course-access`."""
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
