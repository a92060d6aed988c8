"""Debian's Chromium for the browser tests, and what they have it draw."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, sync_playwright

from smoke_tests.waiting import PATIENCE, wait_until

OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PLOT = """import matplotlib.pyplot as plt
plt.plot([3, 1, 4, 1, 5, 9, 2, 6], marker="o")
plt.title("drawn in the course's environment")
plt.show()"""


def find_chromium() -> str:
    """Debian's Chromium, installed when it is missing and this may be done; skips with the reason otherwise."""
    if not shutil.which("chromium"):
        print("installing Debian's chromium for the browser test")
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
        except (OSError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"Chromium is missing and cannot be installed: {error}")
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            pytest.skip(f"Chromium is missing and apt-get cannot install it: {last}")
    return shutil.which("chromium") or "/usr/bin/chromium"


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A Chromium with a new profile, killed at the end."""
    program = find_chromium()
    with tempfile.TemporaryDirectory(prefix="practicum-chromium-", ignore_cleanup_errors=True) as profile:
        told = Path(profile) / "DevToolsActivePort"
        options = ["--headless", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", program, *options, *OPTIONS, "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Chromium is many processes
        )
        try:
            wait_until(lambda: told.exists() and told.read_text().count("\n"), what="Chromium's port for commands")
            port = told.read_text().split()[0]
            with sync_playwright() as playwright:
                yield playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def show(page: Page, act: Callable[[], object], wanted: Locator) -> None:
    """Do `act`, which loads a page, and wait until `wanted` is visible in it; fails after PATIENCE seconds.

    Beside other parts of the proof several requests of a page were dropped at one moment: Chromium does that when a
    network interface of the machine comes or goes, as docker's do. JupyterLab then stays white, and the page is loaded
    again, as a person does.
    """
    dropped: list[str] = []

    def note(request: Request) -> None:
        if request.failure and "ERR_ABORTED" not in request.failure:  # what a new page no longer wants
            dropped.append(f"{request.failure} {request.url.partition('?')[0]}")

    page.on("requestfailed", note)
    deadline = time.monotonic() + PATIENCE
    act()
    while not wanted.is_visible():
        assert time.monotonic() < deadline, f"{wanted} was not shown within {PATIENCE:.0f} s"
        if dropped:
            print("loaded again, for requests were dropped:", *dropped, sep="\n  ")
            dropped.clear()
            page.reload(wait_until="commit")
        page.wait_for_timeout(200)
    page.remove_listener("requestfailed", note)
