"""Fixtures of the student's commands; their package is tested from the source tree."""

import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "course_content/tools/src"))

from course_tools import firstboot  # noqa: E402
from fake_machine import Fixture, make_machine  # noqa: E402


@pytest.fixture
def fresh(tmp_path: Path) -> Fixture:
    """A machine that never booted."""
    return make_machine(tmp_path / "root")


@pytest.fixture
def booted(tmp_path: Path) -> Fixture:
    """A machine after its first boot."""
    fixture = make_machine(tmp_path / "root")
    firstboot.prepare(fixture.machine, fixture.course)
    return fixture
