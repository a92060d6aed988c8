"""Debian's Chromium for the browser tests, and what they have it draw."""

from __future__ import annotations

import shutil
import subprocess

import pytest

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
