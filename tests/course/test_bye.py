"""Shutting the machine down."""

import pytest
from course_tools.bye import leave
from course_tools.machine import CourseError, Finished
from fake_machine import Fixture


def test_the_student_uses_exactly_the_command_that_sudoers_allows(booted: Fixture) -> None:
    booted.path("/run/systemd/system").mkdir(parents=True)
    leave(booted.machine, is_root=False)
    assert booted.system.asked[-1] == ["sudo", "-n", "/usr/bin/systemctl", "poweroff"]
    leave(booted.machine, is_root=True)
    assert booted.system.asked[-1] == ["/usr/bin/systemctl", "poweroff"]


def test_a_refusal_is_said(booted: Fixture) -> None:
    booted.path("/run/systemd/system").mkdir(parents=True)
    booted.system.answers["sudo"] = Finished(1, "sudo: a password is required\n")
    with pytest.raises(CourseError, match="a password is required"):
        leave(booted.machine, is_root=False)


def test_in_a_container_it_says_how_to_stop(booted: Fixture) -> None:
    asked = len(booted.system.asked)
    with pytest.raises(CourseError, match="container"):
        leave(booted.machine, is_root=False)
    assert len(booted.system.asked) == asked
