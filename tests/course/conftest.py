"""Fixtures of the student's commands; their packages are tested from the source tree."""

import sys
from pathlib import Path

import pytest
from packages import RUNTIME, TOOLS

sys.path[:0] = [str(RUNTIME), str(TOOLS)]

from course_runtime.machine import firstboot  # noqa: E402
from fake_machine import Fixture, make_host_key, make_machine  # noqa: E402


@pytest.fixture
def fresh(tmp_path: Path) -> Fixture:
    """A machine that never booted."""
    return make_machine(tmp_path / "root")


@pytest.fixture
def booted(tmp_path: Path) -> Fixture:
    """A machine after its first boot."""
    fixture = make_machine(tmp_path / "root")
    firstboot.prepare(fixture.machine, fixture.course)
    make_host_key(fixture.machine)
    return fixture
