"""practicum.engine.progress: elapsed times on a terminal, plain lines elsewhere, never silence."""

import io
import re
import threading

import pytest
from survivors import HANG, wait_until

from practicum.engine.progress import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_carry_time_and_stage() -> None:
    told = io.StringIO()
    ticks = iter([0.0, 1.0, 12.3, 12.4, 20.0])
    with Console(stream=told, clock=lambda: next(ticks)) as console:
        with console.stage("environment"):
            console.say("installing")
            console.line("not shown")
        console.say("all done")
    assert told.getvalue() == "[  12.3 s] environment: installing\n[  20.0 s] all done\n"


def test_silence_is_broken_by_a_heartbeat_with_the_last_line() -> None:
    told = io.StringIO()
    before = set(threading.enumerate())
    console = Console(stream=told, heartbeat=0.05)
    with console.stage("disk"):
        assert set(threading.enumerate()) - before, "what beats"
        console.line("  compressing  ")
        wait_until(lambda: told.getvalue().count("\n") >= 2)
    lines = told.getvalue().splitlines()
    assert all(
        re.fullmatch(r"\[ +\d+\.\d s\] disk: still running after \d+ s, last: compressing", line) for line in lines
    )
    others = set(threading.enumerate()) - before
    for thread in others:
        thread.join(HANG)
    assert not any(thread.is_alive() for thread in others), "it must end with the stage"


def test_ci_gets_plain_lines_even_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert not Console(stream=Terminal()).plain
    assert Console(stream=io.StringIO()).plain
    monkeypatch.setenv("CI", "true")
    assert Console(stream=Terminal()).plain


def test_terminal_shows_every_stage_with_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    told = Terminal()
    with Console(("base", "disk", "ova"), stream=told) as console:
        console.skip("base", "cached")
        with pytest.raises(KeyError), console.stage("disk"):
            console.say("writing")
            raise KeyError
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told.getvalue()).split("▸")[-1]
    assert re.search(r"✓ base +\d+\.\d s  cached", last)
    assert re.search(r"✗ disk +\d+\.\d s", last)
    assert re.search(r"· ova", last)
    assert "disk: writing" in told.getvalue()


def test_bytes_under_way_are_a_bar_or_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    terminal, lines = Terminal(), io.StringIO()
    now = 0.0
    with Console(stream=terminal) as console, console.transfer("2 wheels", 4_000_000) as report:
        report(1_000_000)
        wait_until(lambda: re.search(r"2 wheels .*1\.0/4\.0 MB", terminal.getvalue()) is not None)
    with Console(stream=lines, clock=lambda: now) as console, console.transfer("2 wheels", 4_000_000) as report:
        report(1_000_000)
        now = 6.0
        report(1_000_000)
        report(2_000_000)
    assert lines.getvalue() == "[   6.0 s] 2 wheels: 2 of 4 MB\n[   6.0 s] 2 wheels: 4 of 4 MB\n"
