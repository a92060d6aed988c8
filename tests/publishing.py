"""Starts `held_publish.py` and kills it at its point."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from checkout import ROOT
from survivors import wait_until


def publish_and_kill(folder: Path, target: str, point: int | str) -> None:
    """Publishes in a process of its own and ends it with SIGKILL when it has sent `point` bytes, or at "show"."""
    reached = folder.with_name(f"{folder.name}.reached")
    reached.unlink(missing_ok=True)
    script = ROOT / "tests/held_publish.py"
    words = [sys.executable, str(script), str(folder), target, str(point), str(reached)]
    child = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        wait_until(lambda: reached.exists() or child.poll() is not None)
        assert reached.exists(), "it ended before the point"
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
