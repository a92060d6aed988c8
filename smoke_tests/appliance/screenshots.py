"""Takes the pictures of docs/student.md: `make screenshots`. The machine, and with it the code, is thrown away."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from practicum.semester.description import Semester
from smoke_tests.browser import judge_landing_page, open_page
from smoke_tests.conftest import REPOSITORY
from smoke_tests.qemu import Machine
from smoke_tests.waiting import wait_until

PICTURES = REPOSITORY / "docs/images"
LIMIT = 100_000  # bytes: they stay in git for ever

REDUCE = """
import sys
from PIL import Image
source, target = sys.argv[1:]
Image.open(source).convert("RGB").quantize(64).save(target, optimize=True)
"""
"""Pillow is in the students' Python only."""


@pytest.fixture
def keep(build: Path) -> Callable[[Path], None]:
    """Return what puts a picture into the docs under its name, with a palette of 64 colours."""

    def reduce(picture: Path) -> None:
        target = PICTURES / picture.name
        subprocess.run([build / "course-venv/bin/python", "-c", REDUCE, picture, target], check=True)
        assert target.stat().st_size < LIMIT

    return reduce


def test_console(machine: Machine, tmp_path: Path, keep: Callable[[Path], None]) -> None:
    def is_drawn() -> bool:
        """Whether the text is in the window; before, the menu of the keyboard is there for a minute."""
        return re.search(r"Status +ready", machine.sudo("cat /dev/vcs1")) is not None

    wait_until(is_drawn, "the console's text in the window", pause=2)
    keep(machine.screendump(tmp_path / "console.png"))


def test_login_page(machine: Machine, tmp_path: Path, keep: Callable[[Path], None]) -> None:
    picture = tmp_path / "login.png"
    with open_page(machine.url, 800, 480) as page:
        page.goto(f"{machine.url}/lab", wait_until="commit")
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
        page.screenshot(path=picture)
    keep(picture)


def test_landing_page(machine: Machine, semester: Semester, tmp_path: Path, keep: Callable[[Path], None]) -> None:
    picture = tmp_path / "landing.png"
    with open_page(machine.url, 1100, 700) as page:
        page.goto(f"{machine.url}/lab?token={machine.code}", wait_until="commit")
        judge_landing_page(page, semester.content_root)
        expect(page.locator(".jp-DirListing-item", has_text="index.md")).to_be_visible()
        page.screenshot(path=picture)
    keep(picture)
