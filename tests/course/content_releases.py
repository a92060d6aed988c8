"""A course that publishes content releases on 127.0.0.1, and a product that follows them."""

import base64
import gzip
import hashlib
import io
import json
import os
import ssl
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fake_machine import COURSE
from forks import run_code
from packages import PYTHONPATH

FOLDER = "/2027-spring-content"
RUN = """
import json, sys
from pathlib import Path
from course_runtime.machine.machine import Machine
from course_runtime.update import cli, fetch, sources

root, limits = Path(sys.argv[1]), json.loads(sys.argv[2])
del sys.argv[1:3]
cli.Machine = lambda: Machine(root=root)
for module in (fetch, sources):
    for name in set(limits) & set(vars(module)):
        setattr(module, name, limits[name])
cli.main()
"""

Play = Callable[[BaseHTTPRequestHandler], None]


def make_key(folder: Path, name: str = "key") -> Path:
    """A private key; its public half lies beside it."""
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)]
    subprocess.run(argv, check=True)
    return folder / name


def allow(key: Path, namespaces: str = "practicum-release,practicum-content") -> str:
    """The line of allowed signers for a key."""
    kind, public = key.with_suffix(".pub").read_text().split()[:2]
    return f'release namespaces="{namespaces}" {kind} {public}\n'


def list_files(files: Mapping[str, str], number: int, **changes: Any) -> bytes:
    """The manifest of a content release."""
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    course = {"course": COURSE["code"], "semester": COURSE["semester"], "release": number}
    return json.dumps({"version": 1, **course, "files": hashes, **changes}).encode()


def plain(name: str, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    """A plain file of an archive."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info, data


def pack(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """An archive of these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def pack_release(files: Mapping[str, str], number: int) -> bytes:
    """The archive of a content release, as the builder writes it."""
    rest = [plain(name, text.encode()) for name, text in sorted(files.items())]
    return pack(plain("manifest.json", list_files(files, number)), *rest)


@dataclass
class Web:
    """What the server has, what it does with certain paths, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    plays: dict[str, Play] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""
    end: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serve(tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """A web server of 127.0.0.1."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            web.asked.append(self.path)
            try:
                if play := web.plays.get(self.path):
                    return play(self)
                data = web.files.get(self.path)
                self.send_response(404 if data is None else 200)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")
            except OSError:
                pass  # the client has heard enough, or was killed

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    web.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield web
    finally:
        web.end.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Product:
    """A product of the course below `root`, with a home, and a key that signs its content releases."""

    def __init__(self, folder: Path, web: Web) -> None:
        self.root, self.home, self.web, self.folder = folder / "root", folder / "home", web, folder
        self.trusted: Path | None = None
        self.home.mkdir()
        self.key = make_key(folder)
        (self.root / "etc/course").mkdir(parents=True)
        (self.root / "opt/course").mkdir(parents=True)
        (self.root / "opt/course/signers").write_text(allow(self.key))
        (self.root / "opt/course/versions.json").write_text(json.dumps({"torch": "2.13.0"}))
        self.describe()
        self.build({"a.py": "1", "p/b.ipynb": "1"}, 1)

    def describe(self, **changes: Any) -> None:
        """Write what the product knows of the course."""
        course = {**COURSE, "product": "cpu", "address": self.web.url, "updates": True, **changes}
        (self.root / "etc/course/course.json").write_text(json.dumps(course))

    def build(self, files: Mapping[str, str], number: int) -> None:
        """Give the product this content."""
        content = self.root / "opt/course/content"
        for name, text in files.items():
            (content / name).parent.mkdir(parents=True, exist_ok=True)
            (content / name).write_text(text)
        (content / "manifest.json").write_bytes(list_files(files, number))

    def sign(self, statement: bytes, key: Path | None = None, namespace: str = "practicum-content") -> bytes:
        """A content.json."""
        argv = ["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", str(key or self.key)]
        done = subprocess.run(argv, input=statement, capture_output=True, check=True)
        signed = {"payload": base64.b64encode(statement).decode(), "signature": done.stdout.decode()}
        return json.dumps(signed).encode()

    def state(self, archive: bytes, number: int, **changes: Any) -> bytes:
        """What is signed of an archive."""
        stated = {
            "version": 1,
            "course": COURSE["code"],
            "semester": COURSE["semester"],
            "release": number,
            "file": f"ee559-2027-spring-content-{number}.tar.gz",
            "bytes": len(archive),
            "sha256": hashlib.sha256(archive).hexdigest(),
            "created": "2027-03-01T10:00:00Z",
        }
        return json.dumps({**stated, **changes}).encode()

    def publish(self, files: Mapping[str, str], number: int, archive: bytes | None = None, **changes: Any) -> str:
        """Publish a content release, and return the path of its archive; `archive` and `changes` make it a lie."""
        archive = pack_release(files, number) if archive is None else archive
        statement = self.state(archive, number, **changes)
        path = f"{FOLDER}/{json.loads(statement)['file']}"
        self.web.files |= {path: archive, f"{FOLDER}/content.json": self.sign(statement)}
        return path

    def command(self, *options: str, **limits: float) -> list[str]:
        """The command line of `course-update` in this product; limits: of its modules, by name."""
        return [sys.executable, "-c", RUN, *self.list_arguments(*options, **limits)]

    def list_arguments(self, *options: str, **limits: float) -> list[str]:
        """The arguments of RUN."""
        return [str(self.root), json.dumps(limits), *options]

    @property
    def environment(self) -> dict[str, str]:
        trusted = {"SSL_CERT_FILE": str(self.trusted)} if self.trusted else {}
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": PYTHONPATH, **trusted}

    def update(self, *options: str, status: int = 0, **limits: float) -> subprocess.CompletedProcess[str]:
        """Run `course-update`, which must end with `status`."""
        done = run_code(RUN, self.list_arguments(*options, **limits), self.environment)
        assert done.returncode == status, f"status {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def sync(self) -> subprocess.CompletedProcess[str]:
        """Run `course-sync` as a start does."""
        code = (
            "import sys; from pathlib import Path; from course_runtime.files import sync;"
            "from course_runtime.machine.machine import Machine; root = Path(sys.argv[1]);"
            "sync.run(content=root / 'opt/course/content', machine=Machine(root=root))"
        )
        done = run_code(code, [str(self.root)], self.environment)
        done.check_returncode()
        return done

    def files(self) -> dict[str, str]:
        """The course's files in the home."""
        top = self.home / "ee559"
        return {str(path.relative_to(top)): path.read_text() for path in top.rglob("*") if path.is_file()}

    def everything(self) -> dict[str, bytes]:
        """Every file of the home but the folder that an update may leave empty."""
        return {str(path.relative_to(self.home)): path.read_bytes() for path in self.home.rglob("*") if path.is_file()}


def bomb(megabytes: int) -> bytes:
    """An archive with one file that is large once it is unpacked."""
    info = tarfile.TarInfo("manifest.json")
    info.size = megabytes << 20
    return gzip.compress(info.tobuf() + bytes(info.size))
