"""Debian's Chromium for the browser tests, and what they have it draw and look at."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from smoke_tests.qemu import pick_ports
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
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        except (OSError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"Chromium is missing and cannot be installed: {error}")
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            pytest.skip(f"Chromium is missing and apt-get cannot install it: {last}")
    return shutil.which("chromium") or "/usr/bin/chromium"


# Chromium drops the requests of a page when a network interface of its machine comes or goes, as docker's do beside
# other tests. So it gets a network namespace where nothing changes.
# Two sockets connect it: `server` leads out, `commands` leads in.
INSIDE = """
ip link set lo up
socat TCP-LISTEN:"$SERVER",bind=127.0.0.1,fork UNIX-CONNECT:server &
socat UNIX-LISTEN:commands,fork TCP:127.0.0.1:9222 &
exec "$@"
"""
OUTSIDE = f"""
socat UNIX-LISTEN:server,fork TCP:127.0.0.1:"$SERVER" &
socat TCP-LISTEN:"$COMMANDS",bind=127.0.0.1,fork UNIX-CONNECT:commands &
exec unshare --net sh -euc {shlex.quote(INSIDE)} sh "$@"
"""
NAMESPACES = ["--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]


@contextmanager
def open_page(url: str, width: int = 1280, height: int = 860) -> Iterator[Page]:
    """Give a page of a new Chromium that reaches only the server at `url`; what is expected of it has PATIENCE."""
    expect.set_options(timeout=1000 * PATIENCE)
    with open_browser(url) as browser:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(1000 * PATIENCE)
        yield page


@contextmanager
def open_browser(url: str) -> Iterator[Browser]:
    """Give a Chromium with a new profile, killed at the end. It reaches only the server at `url`, on this host."""
    program = find_chromium()
    (commands,) = pick_ports(1)
    with tempfile.TemporaryDirectory(prefix="practicum-chromium-", ignore_cleanup_errors=True) as folder:
        options = ["--headless", "--remote-debugging-port=9222", f"--user-data-dir={folder}/profile", *OPTIONS]
        command = [program, *options, "about:blank"]
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", *NAMESPACES, "sh", "-euc", OUTSIDE, "sh", *command],
            cwd=folder,
            env={**os.environ, "SERVER": str(urlsplit(url).port), "COMMANDS": str(commands)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: _takes_commands(commands), what="an answer of Chromium")
            with sync_playwright() as playwright:
                yield playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{commands}")
        finally:
            process.kill()  # and with it all of its namespace
            process.wait()


def _takes_commands(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/json/version", trust_env=False).is_success
    except httpx.TransportError:
        return False


def judge_landing_page(page: Page, content: Path) -> None:
    """Wait until JupyterLab shows the landing page of `content`, rendered and in place of a launcher."""
    heading = page.locator(".jp-MarkdownViewer h1").first
    expect(heading).to_be_visible()
    title = (content / "index.md").read_text().splitlines()[0].removeprefix("# ")
    expect(heading).to_contain_text(title)
    expect(page.locator(".jp-Launcher")).to_have_count(0)


def judge_preview(page: Page, name: str, heading: str) -> None:
    """Open the Markdown file `name` of the file browser's folder, and wait until its `heading` is shown, rendered."""
    page.locator(".jp-DirListing-item", has_text=name).dblclick()
    expect(page.locator(".jp-MarkdownViewer h1", has_text=heading)).to_be_visible()
    expect(page.locator(".jp-FileEditor")).to_have_count(0)
