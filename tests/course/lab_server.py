"""A real JupyterLab with the settings of a product, on loopback and in a temporary folder."""

import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import content_releases
import fake_machine
import jinja2
from forks import Forked, start_module
from packages import PYTHONPATH, REPOSITORY
from waiting import DEADLINE, wait_until

ROLE = REPOSITORY / "ansible/roles/jupyter"
READY = "JupyterLab is ready"

COURSE = {**fake_machine.COURSE, "user": "jovyan", "product": "cpu"}
PROGRAMS = ("git", "openssl", "ssh-keygen", "uname")
TEMPLATES, STATIC = '"/etc/jupyter/templates"', '"/opt/course/static"'  # as the settings name them

# Before the image's own settings: where this test's image lies, and what its GPU check says.
PRELUDE = """
from dataclasses import replace
from pathlib import Path
from course_runtime.machine import machine
from course_runtime.files import sync
from course_runtime.start import appliance, container, welcome
content = Path({root!r}) / "opt/course/content"
for module in (appliance, container, sync, welcome):
    module.Machine = lambda: machine.Machine(root=Path({root!r}))
container.choose_folders.__defaults__ = (content,)
sync.run.__defaults__ = (None, None, content)
welcome.CHECK = ({python!r}, "-c", {code!r})
welcome.UPDATE = ({python!r}, "-c", {update!r}, {root!r}, "{{}}", "--quiet")
"""
ANSWER = {"checks": [{"name": "gpu", "status": "ok", "detail": "a test", "cure": ""}]}


def find_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def link_programs(folder: Path) -> Path:
    """Links in the new `folder` to the programs that a server runs.

    Like the images it has no Node.js. Where Jupyter finds that, it asks it twice at each start, for 0.4 CPU seconds.
    """
    folder.mkdir()
    for name in PROGRAMS:
        if program := shutil.which(name):
            (folder / name).symlink_to(program)
    return folder


@dataclass
class Lab:
    """A server below `place`; a context manager that starts it, waits for the end of its start, and stops it.

    `product` is whose settings it gets. The appliance's fix the port and refuse root; here both are given anew.
    With `cold` it is a Python of its own, and not forked from one which has imported Jupyter.
    """

    place: Path
    arguments: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    waits_for: str = READY
    scheme: str = "http"
    base: str = "/"
    product: str = "cpu"
    cold: bool = False

    def __post_init__(self) -> None:
        self.port = find_port()
        self.home, self.root = self.place / "home", self.place / "root"
        self.runtime = Path(tempfile.mkdtemp(prefix="lab-"))  # short: the paths of sockets have a limit
        for folder in (self.home, self.root / "etc/course", self.root / "opt/course/content", self.place / "jupyter"):
            folder.mkdir(parents=True, exist_ok=True)
        (self.root / "etc/course/course.json").write_text(json.dumps(COURSE))
        settings = jinja2.Environment(trim_blocks=True).from_string(
            (ROLE / "templates/jupyter_server_config.py.j2").read_text()
        )
        code = f"print({json.dumps(ANSWER)!r})"
        prelude = PRELUDE.format(root=str(self.root), python=sys.executable, code=code, update=content_releases.RUN)
        text = prelude + settings.render(course=COURSE, product=self.product)
        assert TEMPLATES in text and STATIC in text
        text = text.replace(TEMPLATES, repr(str(ROLE / "files")))
        text = text.replace(STATIC, repr(str(self.root / "opt/course/static")))
        text = text.replace('"/opt/venv/bin/python"', repr(sys.executable))
        (self.place / "jupyter/jupyter_server_config.py").write_text(text)
        extensions = self.place / "jupyter/jupyter_server_config.d"
        extensions.mkdir(exist_ok=True)
        (extensions / "course.json").write_text(
            '{"ServerApp": {"jpserver_extensions": {"course_runtime.start.welcome": true}}}'
        )
        shutil.copy(ROLE / "files/proxy.json", extensions)
        self.log = self.place / "log"

    def start(self) -> subprocess.Popen[bytes] | Forked:
        environ = {
            "PATH": f"{Path(sys.executable).parent}:{link_programs(self.place / 'bin')}",
            "HOME": str(self.home),
            "PYTHONPATH": PYTHONPATH,
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "JUPYTER_CONFIG_PATH": str(self.place / "jupyter"),
            "JUPYTER_PATH": str(self.place / "share"),
            "JUPYTER_PORT": str(self.port),
            **self.environ,
        }
        # The image listens on every address; here, nothing but loopback may.
        arguments = ["--ServerApp.ip=127.0.0.1", *self.arguments]
        if self.product == "appliance":
            arguments += [f"--ServerApp.port={self.port}", "--ServerApp.allow_root=True"]
        self.log.touch()
        self.process: subprocess.Popen[bytes] | Forked
        if self.cold:
            argv = [sys.executable, "-m", "jupyterlab", *arguments]
            with self.log.open("wb") as log:
                self.process = subprocess.Popen(argv, env=environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        else:
            self.process = start_module("jupyterlab", arguments, environ, self.log)
        return self.process

    def __enter__(self) -> "Lab":
        self.start()
        try:
            wait_until(self.has_started, "the server's start")
        except AssertionError:
            self.stop()
            raise
        return self

    def has_started(self) -> bool:
        """Whether the log says so; raises AssertionError when the server ended before."""
        assert self.process.poll() is None, f"the server did not start:\n{self.read_log()}"
        return self.waits_for in self.read_log()

    def __exit__(self, *reason: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.runtime, ignore_errors=True)

    def read_log(self) -> str:
        return self.log.read_text()

    @property
    def url(self) -> str:
        """Return the base URL, which ends with a slash."""
        return f"{self.scheme}://127.0.0.1:{self.port}{self.base}"

    def get(self, path: str, *, token: str = "", host: str = "") -> int:
        """Status of a GET of `path` below the base URL."""
        return self.ask(path, token=token, host=host)[0]

    def ask(
        self, path: str, *, token: str = "", host: str = "", data: bytes | None = None, method: str | None = None
    ) -> tuple[int, str]:
        """(status, body) of a GET, or a POST of `data`, or of another method."""
        url = self.url + path
        headers = {"Authorization": f"token {token}"} if token else {}
        if host:
            headers["Host"] = host
        request = urllib.request.Request(url, data, headers, method=method)
        unchecked = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), unchecked)
        try:
            with opener.open(request, timeout=DEADLINE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode("utf-8", "replace")


def run_to_the_end(lab: Lab) -> tuple[int, str]:
    """Exit status and last line of a server that must not start."""
    try:
        status = lab.start().wait(DEADLINE)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"the server runs:\n{lab.read_log()}") from None
    finally:
        lab.stop()
    return status, (lab.read_log().splitlines() or [""])[-1]
