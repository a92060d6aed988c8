"""A real registry on 127.0.0.1."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from survivors import wait_until

CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:{port}", secret: kept-over-restarts}}
{auth}
"""


@contextmanager
def registry(folder: Path, auth: str = "") -> Iterator[str]:
    """Serves a registry whose data are in `folder`; gives its host and port."""
    folder.mkdir(exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "config.yml").write_text(CONFIG.format(root=folder / "data", port=port, auth=auth))
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(["docker-registry", "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(port) or server.poll() is not None)
        assert server.poll() is None, (folder / "log").read_text()
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v2/").status_code in (200, 401)
    except httpx.TransportError:
        return False
