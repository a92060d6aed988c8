"""Saves without end, to kill a server in the middle of: every product must keep what it acknowledged."""

from __future__ import annotations

import json
import threading

import httpx

from smoke_tests.jupyter import Jupyter, make_notebook
from smoke_tests.waiting import PATIENCE, wait_until

SAVED_BYTES = 2_000_000  # large enough that a save takes a good part of a second in an emulated machine


class Saver(threading.Thread):
    """Saves numbered versions of a notebook, one after the other, and remembers which were acknowledged."""

    def __init__(self, jupyter: Jupyter, path: str) -> None:
        super().__init__(daemon=True)
        self.jupyter, self.path = jupyter, path
        self.attempted = self.acknowledged = 0
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                notebook = make_notebook(f"version = {self.attempted + 1}", "#" * SAVED_BYTES)
                self.attempted += 1
                if self.jupyter.save(self.path, notebook).is_success:
                    self.acknowledged = self.attempted
            except httpx.TransportError:
                self.stopped.wait(0.2)


def wait_for_saves(saver: Saver, more: int, timeout: float = PATIENCE) -> None:
    wanted = saver.acknowledged + more
    wait_until(lambda: saver.acknowledged >= wanted, f"{wanted} acknowledged saves", timeout, pause=0.05)


def judge_saved(notebook: str, safe: int, attempted: int) -> None:
    """Fails unless `notebook` is whole, and of a version from `safe`, the last acknowledged one, to `attempted`."""
    cells = json.loads(notebook)["cells"]
    version, padding = ("".join(cell["source"]) for cell in cells)
    assert safe <= int(version.split("=")[1]) <= attempted
    assert len(padding) == SAVED_BYTES
