"""`bye` in a terminal, `!bye` in a notebook: shut the machine down cleanly, or the server of a container."""

import argparse
import os
import signal

from course_runtime.machine.machine import CourseError, Machine, exit_with, run_checked
from course_runtime.machine.servers import Server, list_ancestors, list_servers, read_command

# Exactly the command that the machine's sudoers file allows without a password.
POWEROFF = ["/usr/bin/systemctl", "poweroff"]


def leave(machine: Machine, *, is_root: bool) -> None:
    """Say goodbye and shut down; raise CourseError where that is not possible."""
    if not machine.is_booted():
        stop_server(machine, choose_server(list_servers(machine), list_ancestors(machine, os.getpid())))
        return
    print("Goodbye: the machine shuts down now, your files are kept.", flush=True)
    run_checked(machine, POWEROFF if is_root else ["sudo", "-n", *POWEROFF])


def choose_server(servers: list[Server], ancestors: list[int]) -> Server:
    """Return the server in which this command was typed, else the only one; raise CourseError if that is not clear."""
    own = [server for server in servers if server.pid in ancestors] or servers
    if not own:
        raise CourseError("no Jupyter server of yours runs here", "stop the container from outside, with docker stop")
    if len(own) > 1:
        known = ", ".join(server.url for server in own)
        raise CourseError(f"{len(own)} servers run here ({known})", "stop one with jupyter server stop PORT")
    return own[0]


def stop_server(machine: Machine, server: Server) -> None:
    """Ask a server to stop: it ends its kernels first, and its container ends with it."""
    print(f"Goodbye: JupyterLab at {server.url} stops now.", flush=True)
    for parent in list_ancestors(machine, server.pid)[1:2]:
        # RESTARTABLE=yes: it would start the server again, and hands a SIGTERM of its own on.
        if b"start-notebook" in read_command(machine, parent):
            os.kill(parent, signal.SIGTERM)
            return
    os.kill(server.pid, signal.SIGTERM)


def main() -> None:
    """Run `bye`."""
    parser = argparse.ArgumentParser(prog="bye", description="Shut this machine, or a container's server, down.")
    parser.parse_args()
    exit_with("bye", lambda: leave(Machine(), is_root=os.geteuid() == 0))
