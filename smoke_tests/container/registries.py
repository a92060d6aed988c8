"""A real registry on loopback, and skopeo, which fills it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smoke_tests.waiting import PATIENCE, wait_until

CONFIG = """
version: 0.1
storage:
  filesystem:
    rootdirectory: {folder}
http:
  addr: 127.0.0.1:0
"""


def skopeo(*arguments: str) -> str:
    """Return what skopeo prints; a failure shows what it said."""
    done = subprocess.run(["skopeo", *arguments], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def serve(program: str, folder: Path) -> Iterator[str]:
    """Run docker-registry, `program`, with its data in `folder`; give its address, 127.0.0.1 and a free port."""
    (folder / "config.yml").write_text(CONFIG.format(folder=folder / "store"))
    log = folder / "registry.log"
    with log.open("w") as sink:
        process = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=sink, stderr=sink)
    try:
        wait_until(lambda: process.poll() is not None or "listening on" in log.read_text(), "the registry")
        address = re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text())
        assert address, log.read_text()
        yield address[1]
    finally:
        process.terminate()
        process.wait(PATIENCE)
