"""The settings of the appliance's JupyterLab, and what its home needs before: jupyter_server_config.py asks for them.

This runs in the server's own process: each start of the environment's Python costs an emulated processor a second.
"""

from pathlib import Path
from typing import Any

from course_runtime.files.landing import open_landing_page
from course_runtime.files.prepare import prepare
from course_runtime.machine.machine import JUPYTER_PORT, Machine, load_course


def configure(c: Any) -> None:
    """Set in the configuration `c` what follows from the machine; raise CourseError when it is not described."""
    home, slug = Path.home(), load_course(Machine()).slug
    prepare(home)
    c.ServerApp.port = JUPYTER_PORT
    # Listening on every address switches the Host check off, the protection from DNS rebinding; this switches it on.
    c.ServerApp.allow_remote_access = False
    c.ServerApp.local_hostnames = ["localhost"]
    c.ServerApp.allow_root = False
    c.ServerApp.root_dir = str(home)
    folder = home / slug
    if folder.is_dir():
        c.FileContentsManager.preferred_dir = str(folder)
        open_landing_page(home, folder)
    # One TCP listener for a kernel instead of six, and none that other users of the machine could reach.
    c.KernelManager.transport = "ipc"
