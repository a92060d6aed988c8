"""`bye` in a terminal, `!bye` in a notebook: shut the machine down cleanly."""

import argparse
import os

from course_tools.machine import CourseError, Machine, exit_with, run_checked

# Exactly the command that the machine's sudoers file allows without a password.
POWEROFF = ["/usr/bin/systemctl", "poweroff"]


def leave(machine: Machine, *, is_root: bool) -> None:
    """Say goodbye and shut down; raises CourseError where that is not possible."""
    if not machine.path("/run/systemd/system").is_dir():
        raise CourseError("this is a container: stop it from outside, or with File > Shut Down in JupyterLab")
    print("Goodbye: the machine shuts down now, your files are kept.", flush=True)
    run_checked(machine, POWEROFF if is_root else ["sudo", "-n", *POWEROFF])


def main() -> None:
    """Entry point of `bye`."""
    argparse.ArgumentParser(prog="bye", description="Shut this machine down.").parse_args()
    exit_with("bye", lambda: leave(Machine(), is_root=os.geteuid() == 0))
