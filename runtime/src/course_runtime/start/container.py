"""The settings of JupyterLab that depend on how the container was started: jupyter_server_config.py asks for them."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from course_runtime.files.fonts import seed_font_list
from course_runtime.files.landing import open_landing_page
from course_runtime.files.manifest import choose_content
from course_runtime.files.prepare import prepare
from course_runtime.files.sync import CONTENT, has_arrived, sync
from course_runtime.machine.machine import JUPYTER_PORT, Course, CourseError, Machine, load_course
from course_runtime.machine.servers import find_runtime
from course_runtime.start.switches import read_switch

SOCKET_PATH = 107  # bytes that a unix socket's path may have
SOCKET_NAME = len("/kernel-01234567-0123-0123-0123-0123456789ab-ipc-5")
RENEW = 24 * 3600  # seconds before its end at which a certificate is made anew


def configure(c: Any, environ: Mapping[str, str] = os.environ) -> None:
    """Set in Jupyter's configuration `c` what follows from the environment; raise an error when that is wrong."""
    course = load_course(Machine())
    c.ServerApp.allow_root = os.geteuid() == 0  # a container is root's only when it was started so
    c.ServerApp.port = read_port(environ)
    if prefix := environ.get("NB_PREFIX"):
        c.ServerApp.base_url = prefix
    hosts = read_hosts(environ)
    c.ServerApp.allow_remote_access = hosts is None
    c.ServerApp.local_hostnames = hosts or ["localhost"]
    if "COURSE_START_PID" in environ:
        if environ.get("COURSE_PREPARE_HOME"):
            prepare_home(Path.home(), environ)
    else:
        bring_course(Path(CONTENT), Path.home(), course)
    root, preferred = choose_folders(Path.home(), course.slug)
    c.ServerApp.root_dir = str(root)
    c.FileContentsManager.preferred_dir = str(preferred)
    open_landing_page(root, preferred)
    runtime = find_runtime(environ)
    if len(os.fsencode(runtime)) + SOCKET_NAME <= SOCKET_PATH:
        c.KernelManager.transport = "ipc"
    # A hub has certificates of its own.
    if read_switch("GEN_CERT", environ.get("GEN_CERT", "")) and not environ.get("JUPYTERHUB_API_TOKEN"):
        c.ServerApp.certfile = str(ensure_certificate(runtime))


def read_port(environ: Mapping[str, str]) -> int:
    """Return the port to listen at; raise CourseError when JUPYTER_PORT is none."""
    text = environ.get("JUPYTER_PORT") or str(JUPYTER_PORT)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise CourseError(f"JUPYTER_PORT={text!r} is no port", "give a number from 1 to 65535")
    return int(text)


def read_hosts(environ: Mapping[str, str]) -> list[str] | None:
    """Return the names by which browsers may ask for this server; None: by any, because something else checks them."""
    names = [name.strip() for name in environ.get("COURSE_HOSTS", "").split(",") if name.strip()]
    # Kubernetes asks by the pod's address, which nobody knows before.
    if "*" in names or environ.get("KUBERNETES_SERVICE_HOST"):
        return None
    return list(dict.fromkeys(["localhost", socket.gethostname(), *names]))


def prepare_home(home: Path, environ: Mapping[str, str]) -> None:
    """Repair the home and bring the course's files, as the start commands asked; what that says goes to the log."""
    with redirect_stdout(None if environ.get("JUPYTER_DOCKER_STACKS_QUIET") else sys.stderr):
        try:
            prepare(home)
        except Exception as error:
            print(f"course-sync: {error!r}", file=sys.stderr)


def bring_course(content: Path, home: Path, course: Course) -> None:
    """Bring the course's content home, where the start commands that do it were bypassed: pyxis, `apptainer exec`."""
    newest, _ = choose_content(content, home, course.name)
    with suppress(CourseError, OSError):  # a home that cannot be written: the course's own copy is served
        sync(newest, home, course.slug, durable=False)
    seed_font_list(home)


def choose_folders(home: Path, slug: str, content: Path = Path(CONTENT)) -> tuple[Path, Path]:
    """Return what JupyterLab serves, and the folder in which it opens.

    The home and the course's folder in it; the course's own copy when the home could not take one.
    """
    if not has_arrived(home, slug) and content.is_dir():
        return content, content
    folder = home / slug
    return home, folder if folder.is_dir() else home


def ensure_certificate(folder: Path) -> Path:
    """Return a file with a key and a self-signed certificate that still holds, made when it is not there."""
    path = folder / "certificate.pem"
    if is_valid_certificate(path):
        return path
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = mkstemp(dir=folder)  # with mode 0600
    os.close(descriptor)
    host = socket.gethostname()
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-days", "365", "-subj", "/CN=localhost", "-keyout", name, "-out", "-"]
    argv += ["-addext", f"subjectAltName=DNS:localhost,DNS:{host},IP:127.0.0.1,IP:::1"]
    try:
        done = subprocess.run(argv, capture_output=True, check=True, timeout=30)
        with Path(name).open("ab") as file:
            file.write(done.stdout)
        Path(name).replace(path)
    except (OSError, subprocess.SubprocessError) as error:
        Path(name).unlink(missing_ok=True)
        raise CourseError(f"GEN_CERT: openssl made no certificate ({error})", "start without it") from None
    return path


def is_valid_certificate(path: Path) -> bool:
    """Return whether the file holds a certificate that does not end soon."""
    argv = ["openssl", "x509", "-in", str(path), "-noout", "-checkend", str(RENEW)]
    return path.is_file() and subprocess.run(argv, capture_output=True, check=False, timeout=30).returncode == 0
