"""A site of a small release, in a folder and behind a plain file server."""

from __future__ import annotations

import base64
import functools
import json
import struct
import sys
import threading
import zlib
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from practicum.architecture import ARCHITECTURES
from practicum.engine.progress import Console
from practicum.release import signing, sums
from practicum.release.site import make_page
from practicum.semester.description import Semester
from smoke_tests.browser import open_browser
from smoke_tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests"))

import small_release

from practicum.course import notebooks

LECTURE = "lecture-01-tensors"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory, semester: Semester) -> Path:
    """Return the folder of a signed release for both architectures, with one lecture that was run."""
    place = tmp_path_factory.mktemp("published")
    key = small_release.make_key(place / "key")
    folder = place / "release"
    small_release.make_release(folder, architectures=ARCHITECTURES, semester=semester.id)
    (folder / "CHANGES.md").write_text("# What changed\n\n| package | now |\n| --- | --- |\n| numpy | 2 |\n")
    (folder / "report/lectures").mkdir()
    source = REPOSITORY / f"course_content/lectures/{LECTURE}.nb.py"
    (folder / f"report/lectures/{LECTURE}.ipynb").write_text(json.dumps(run(json.loads(notebooks.build(source)))))
    sums.write_sums(folder)
    signing.sign(folder, key)
    small_release.allow(key, place / "allowed_signers")
    return folder


@pytest.fixture(scope="session")
def site(release: Path, semester: Semester) -> Path:
    """Return the folder of the site that offers the release beside it."""
    with Console(plain=True) as console:
        return make_page(semester, release, release.with_name("site"), console)


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Return the address of a plain file server, which serves the release and the site at /site/."""
    handler = functools.partial(Quiet, directory=site.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/site"
        server.shutdown()


@pytest.fixture(scope="session")
def browser(address: str) -> Iterator[Browser]:
    """Return a Chromium that reaches the file server and nothing else."""
    with open_browser(address) as browser:
        yield browser


def run(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook as if it had been run: a line, a picture and a value below each program."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [
                {"output_type": "stream", "name": "stdout", "text": ["a line that is far too long for a phone " * 5]},
                {
                    "output_type": "display_data",
                    "data": {"image/png": draw(), "text/plain": "<Figure>"},
                    "metadata": {},
                },
                {"output_type": "execute_result", "data": {"text/plain": "tensor([1.])"}, "metadata": {}},
            ]
    return notebook


def draw(size: int = 80) -> str:
    """Return a grey square as PNG, in base64."""
    rows = b"".join(b"\0" + bytes([row * 3]) * size for row in range(size))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(parts)).decode()
