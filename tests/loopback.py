"""A package index on 127.0.0.1 that can be told to misbehave, and tiny wheels to serve from it."""

import base64
import hashlib
import ssl
import threading
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from survivors import HANG

from practicum.wheels.resolver import Wheel


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    tag: str = "py3-none-any",
    files: Mapping[str, bytes] | None = None,
    requires: Sequence[str] = (),
) -> Path:
    """A wheel pip and uv accept, holding `files` (by default a module and half a megabyte that does not compress)."""
    seed = f"{name}{version}{tag}".encode()
    noise = hashlib.shake_128(seed).digest(1 << 19)
    contents = dict(files if files is not None else {f"{name}/__init__.py": b"", f"{name}/noise.bin": noise})
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    contents[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}".encode()
    contents[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode()
    lines = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in contents.items():
            archive.writestr(zipfile.ZipInfo(path, (2026, 1, 2, 3, 4, 6)), data)
    return wheel


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


@dataclass
class Index:
    """What the server serves, what it does wrong, and what it was asked."""

    folder: Path
    url: str = ""
    cuts: dict[str, list[int]] = field(default_factory=dict)  # filename -> after how many bytes each next answer ends
    lies: set[str] = field(default_factory=set)  # served with other bytes of the same length
    stalls: dict[str, threading.Event] = field(default_factory=dict)  # filename -> go on only after this event
    statuses: dict[str, list[int]] = field(default_factory=dict)  # filename -> HTTP status of each next answer
    ranges: bool = True
    gate: threading.Event = field(default_factory=threading.Event)  # files are served once it is set
    asked: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # filename -> Range headers, "" none
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wheel(self, path: Path) -> Wheel:
        name, version = path.name.split("-")[:2]
        data = path.read_bytes()
        url = f"{self.url}/files/{path.name}"
        return Wheel(name, version, path.name, hashlib.sha256(data).hexdigest(), url, len(data))


@contextmanager
def answering(server: ThreadingHTTPServer) -> Iterator[str]:
    """Give the address of a server of 127.0.0.1, which answers until the block ends."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serve(folder: Path, *, tls: ssl.SSLContext | None = None) -> Iterator[Index]:
    """Serve the wheels of `folder`: /simple/<name>/ lists them with hashes, /files/<filename> gives them."""
    index = Index(folder)
    index.gate.set()
    handler = type("Handler", (_Handler,), {"index": index})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    index.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    with answering(server):
        try:
            yield index
        finally:
            for event in (index.gate, *index.stalls.values()):
                event.set()


class _Handler(BaseHTTPRequestHandler):
    index: Index
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        _, kind, name, *_ = self.path.split("/")
        if kind == "simple":
            self._list(name)
        elif name.endswith(".metadata"):
            self._send_metadata(name.removesuffix(".metadata"))
        else:
            self._send_file(name)

    def _list(self, name: str) -> None:
        wheels = sorted(self.index.folder.glob(f"{name.replace('-', '_')}-*.whl"))
        digests = {wheel.name: hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels}
        rows = [
            f'<a href="/files/{name}#sha256={digest}" data-core-metadata="true">{name}</a>'
            for name, digest in digests.items()
        ]
        self._answer(f"<!DOCTYPE html><html><body>{''.join(rows)}</body></html>".encode(), 200 if rows else 404)

    def _send_metadata(self, name: str) -> None:
        """METADATA beside the wheel (PEP 658), so that a resolver asks for no wheel."""
        with zipfile.ZipFile(self.index.folder / name) as archive:
            (path,) = [path for path in archive.namelist() if path.endswith(".dist-info/METADATA")]
            self._answer(archive.read(path), 200)

    def _answer(self, body: bytes, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_file(self, name: str) -> None:
        index = self.index
        data = (index.folder / name).read_bytes()
        if name in index.lies:
            data = data[:-1] + bytes([data[-1] ^ 1])
        with index.lock:
            wanted = self.headers.get("Range", "")
            index.asked[name].append(wanted)
            status = index.statuses[name].pop(0) if index.statuses.get(name) else 200
            cut = index.cuts[name].pop(0) if index.cuts.get(name) else None
        index.gate.wait(HANG)
        if status != 200:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        offset = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and index.ranges else 0
        if offset >= len(data):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if offset else 200)
        if offset:
            self.send_header("Content-Range", f"bytes {offset}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - offset))
        self.end_headers()
        rest = data[offset:]
        if name in index.stalls:
            self.wfile.write(rest[: len(rest) // 2])
            self.wfile.flush()
            index.stalls[name].wait(HANG)
            rest = rest[len(rest) // 2 :]
        try:
            self.wfile.write(rest if cut is None else rest[:cut])
        except OSError:  # the client was killed
            self.close_connection = True
        if cut is not None:
            self.close_connection = True
