"""practicum.engine.progress: elapsed times on a terminal, plain lines elsewhere, never silence."""

import io
import re
import threading

import pytest
from screen import on_terminal
from survivors import HANG, wait_until

from practicum.engine import table
from practicum.engine.progress import Console
from practicum.engine.table import Row


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


# ---- the table -----------------------------------------------------------------------------------------------------

BUILD = """
from practicum.engine.progress import Console
names = [f"stage-{number}" for number in range(30)]
with Console() as console:
    console.expect({name: 0.0 if number < 12 else 60.0 for number, name in enumerate(names)})
    for number, name in enumerate(names):
        if number < 12:
            console.skip(name, "cached")
            continue
        with console.stage(name), console.transfer("5 wheels", 100) as report:
            report(50)
            console.say(f"working on {number}")
            console.line("x" * 200)
            if number == 15:
                input()
                HERE
print("/the/product")
"""
"""A build of more stages than the terminal has rows; it goes on in the middle of a stage when a person types a line."""


def test_table_fits_the_terminal_and_counts_and_estimates() -> None:
    with on_terminal(BUILD.replace("HERE", "pass"), rows=20) as terminal:
        seen = terminal.read(until="stage 16/30, about 15 min left").seen
        terminal.type("")
        text = terminal.read().text
    assert len(seen) <= 20 and all(len(line) <= 80 for line in seen)
    rows = [line for line in seen if line.startswith(" ")]
    assert re.fullmatch(r" ✓ \d+ before", rows[0]) and "✓ stage-14" in rows[rows.index(find(rows, "▸ stage-15")) - 1]
    assert re.fullmatch(r" ▸ stage-15 +\d\.\d s  of 60 s  x+…", find(rows, "▸ stage-15"))
    assert re.fullmatch(r" · \d+ to come", rows[-3]) and rows[-2].startswith("   5 wheels ━")
    assert text.endswith("/the/product\n")


def find(lines: list[str], words: str) -> str:
    (line,) = [line for line in lines if words in line]
    return line


@pytest.mark.parametrize(
    ("here", "last"), [("pass", "✓ stage-29"), ("raise SystemExit('it failed')", "✗ stage-15")], ids=["done", "failed"]
)
def test_nothing_stale_stays_on_the_terminal(here: str, last: str) -> None:
    """Each stage that ran has one row; no row is left of those that did not, of bars or of what was still to come."""
    with on_terminal(BUILD.replace("HERE", here), rows=20) as terminal:
        terminal.read(until="stage 16/30")
        terminal.type("")
        lines = terminal.read().text.splitlines()
    rows = [line.split()[1] for line in lines if re.match(r" [✓✗▸·] ", line)]
    ran = range(12, 30 if here == "pass" else 16)
    assert rows == [f"stage-{number}" for number in ran], "\n".join(lines)
    assert last in find(lines, last) and not re.search(r"[▸·━]|to come|left$|stage \d+/", "\n".join(lines))
    assert [line for line in lines if line.startswith("[") and "cached" in line], "what lasts was said"


def test_rows_that_are_left_out_are_counted() -> None:
    rows = [Row(f"s{number}", "done" if number < 5 else "waiting") for number in range(10)]
    rows[5] = Row("s5", "running")
    for height in range(3, 12):
        lines = [str(line) for line in table.fit(rows, height)]
        assert len(lines) <= height and any("▸ s5" in line for line in lines)
        left_out = sum(int(line.split()[1]) for line in lines if "before" in line or "to come" in line)
        assert left_out + sum(" s" in line for line in lines) == 10
    assert len(table.fit(rows, 0)) <= 1


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            [Row("a", "done"), Row("b", "running", 10.0, likely=30.0), Row("c", "waiting", likely=40.0)],
            "about 60 s left",
        ),
        ([Row("a", "running", 50.0, likely=30.0), Row("b", "waiting", likely=4000.0)], "about 1 h 7 min left"),
        ([Row("a", "running", 5.0), Row("b", "waiting", likely=200.0)], "more than 3 min left"),
        ([Row("a", "running", 5.0), Row("b", "waiting")], ""),
        ([Row("a", "done", 5.0, likely=100.0)], ""),
    ],
)
def test_rest_is_estimated_by_the_last_time(rows: list[Row], told: str) -> None:
    assert table.estimate(rows) == told


def test_heartbeat_says_which_stage_and_how_long_the_rest_may_take() -> None:
    told = io.StringIO()
    console = Console(stream=told, heartbeat=0.05)
    console.expect({"base": 0.0, "disk": 1000.0, "ova": None})
    console.skip("base", "cached")
    with console.stage("disk"):
        wait_until(lambda: "still" in told.getvalue())
    assert re.search(r"disk: still running after 0 s \(stage 2/3, more than 1[67] min left\)\n", told.getvalue()), (
        told.getvalue()
    )


def test_what_a_command_prints_goes_where_it_was_sent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    terminal = Terminal()
    with Console(stream=terminal):
        print("/the/product")
    assert capsys.readouterr().out == "/the/product\n" and "product" not in terminal.getvalue()


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
