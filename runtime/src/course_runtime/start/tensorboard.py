"""Run TensorBoard at a socket that only this user can open: `python -m course_runtime.start.tensorboard SOCKET`.

A port would be open to everybody who shares the computer, as on the nodes of a cluster; TensorBoard knows no password.
"""

import os
import sys
from pathlib import Path

from course_runtime.machine.machine import CourseError, Machine, load_course


def choose_logs() -> Path:
    """Return the folder whose event files are shown: TENSORBOARD_LOGDIR, else the course's folder, else the home."""
    if named := os.environ.get("TENSORBOARD_LOGDIR"):
        return Path(named).expanduser()
    try:
        folder = Path.home() / load_course(Machine()).slug
    except CourseError:
        return Path.home()
    return folder if folder.is_dir() else Path.home()


def main() -> None:
    """Serve until a signal ends the process."""
    from tensorboard import default, program

    class SocketServer(program.WerkzeugServer):
        """TensorBoard's own server, which cannot name the address of a socket."""

        def get_url(self) -> str:
            return "http://localhost:1/"

    board = program.TensorBoard(plugins=default.get_plugins(), server_class=SocketServer)
    # TensorBoard looks whether the port is taken, although a socket has none: at 1, nothing answers.
    board.configure(["tensorboard", "--logdir", str(choose_logs()), "--host", f"unix://{sys.argv[1]}", "--port", "1"])
    sys.exit(board.main() or 0)


if __name__ == "__main__":
    main()
