"""Shows where a build is: a live table on a terminal (table.py), plain lines that survive in a log anywhere else."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import TextIO

from rich.console import Console as Terminal
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn
from rich.text import Text

from practicum.engine import table
from practicum.engine.table import Row

HEARTBEAT = 30.0
"""Seconds of silence after which plain mode says what it is waiting for; CI systems take silence for death."""

REDRAW = 0.25
"""Seconds between two drawings of the table."""

TRANSFER_SECONDS = 5.0
"""Seconds between two lines of plain mode about bytes that are under way."""


class Console:
    """What a stage talks to. Use as a context manager around the whole build; `stage` frames one step of it.

    `plain` defaults to "not a terminal, or CI is set".
    """

    def __init__(
        self,
        stages: Iterable[str] = (),
        *,
        stream: TextIO | None = None,
        plain: bool | None = None,
        heartbeat: float = HEARTBEAT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stderr
        self.plain = plain if plain is not None else not self._stream.isatty() or bool(os.environ.get("CI"))
        self._heartbeat = heartbeat
        self._clock = clock
        self._started = self._spoke = clock()
        self._rows: dict[str, Row] = {}
        self._begun: dict[str, float] = {}
        self._is_counted = False
        self._current = ""
        self._last_line = ""
        self._bars: list[Progress] = []
        self._drawing, self._over = threading.Lock(), threading.Event()
        self.expect(dict.fromkeys(stages))
        self._terminal = Terminal(file=self._stream, highlight=False)
        self._live = None if self.plain else self._make_live()
        self._frame: AbstractContextManager[object] = self._live or nullcontext()
        self._painter = threading.Thread(target=self._paint, daemon=True)

    def _make_live(self) -> Live:
        """Return what draws; what a command prints is among the rows only where both are on a terminal."""
        to_terminal = sys.stdout.isatty()
        return Live(
            get_renderable=self._render, console=self._terminal, auto_refresh=False, redirect_stdout=to_terminal
        )

    def __enter__(self) -> "Console":
        self._frame.__enter__()
        if self._live:
            self._painter.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        if self._live:
            self._painter.join()
        self._frame.__exit__(None, None, None)

    def _paint(self) -> None:
        """Draw the table again and again. A line is not printed meanwhile: it would leave a row of a higher table."""
        while self._live and not self._over.wait(REDRAW):
            with self._drawing:
                self._live.refresh()

    def expect(self, stages: Mapping[str, float | None]) -> None:
        """Name all stages to come with the seconds that each will likely take, None where nobody knows.

        From then on they are counted, and the time that is left is estimated.
        """
        self._is_counted |= bool(stages)
        for name, likely in stages.items():
            self._rows[name] = replace(self._rows.get(name, Row(name, "waiting")), likely=likely)

    def say(self, text: str) -> None:
        """Print one lasting line, after the time since the start and the name of the current stage."""
        self._spoke = self._clock()
        line = f"[{self._spoke - self._started:6.1f} s] {self._current + ': ' if self._current else ''}{text}"
        if self._live:
            with self._drawing:
                self._live.console.print(Text(line))
        else:
            print(line, file=self._stream, flush=True)

    def line(self, text: str) -> None:
        """Take one line of a program's output: the terminal shows the newest, plain mode quotes it in a heartbeat."""
        self._last_line = text.strip()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Frame the work of one stage: its state and elapsed seconds are shown, with a heartbeat in plain mode."""
        outer, self._current, self._last_line = self._current, name, ""
        begun = self._begun[name] = self._clock()
        row = self._rows.get(name, Row(name, "waiting"))
        self._rows[name] = replace(row, state="running", note="")
        over = threading.Event()
        if self.plain:
            threading.Thread(target=self._beat, args=(over, begun), daemon=True).start()
        state = "failed"
        try:
            yield
            state = "done"
        finally:
            over.set()
            self._rows[name] = replace(row, state=state, seconds=self._clock() - begun, note="")
            self._current = outer

    def skip(self, name: str, reason: str) -> None:
        """Record a stage that had nothing to do."""
        self._rows[name] = Row(name, "done", note=reason)
        outer, self._current = self._current, name
        self.say(reason)
        self._current = outer

    @contextmanager
    def transfer(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Give a function to be told of every n bytes done, from any thread; `total` bytes are expected, 0: not known.

        A terminal shows a bar with the speed; plain mode says every five seconds how far it is. Both say the end.
        """
        columns = (TextColumn("   {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        bar = Progress(*columns, TimeElapsedColumn(), auto_refresh=False)
        task = bar.add_task(title, total=total or None)
        told, lock = self._clock(), threading.Lock()

        def say() -> None:
            of_total = f" of {total / 1e6:.0f}" if total else ""
            self.say(f"{title}: {bar.tasks[0].completed / 1e6:.0f}{of_total} MB")

        def report(count: int) -> None:
            nonlocal told
            bar.advance(task, count)
            with lock:
                if self.plain and self._clock() - told >= TRANSFER_SECONDS:
                    told = self._clock()
                    say()

        self._bars.append(bar)
        try:
            yield report
        finally:
            self._bars.remove(bar)
        say()

    def _beat(self, over: threading.Event, begun: float) -> None:
        while not over.wait(self._heartbeat):
            if self._clock() - self._spoke >= self._heartbeat:
                last = f", last: {self._last_line[:160]}" if self._last_line else ""
                where = f" ({self._tell_place()})" if self._is_counted else ""
                self.say(f"still running after {self._clock() - begun:.0f} s{where}{last}")

    def _list_rows(self) -> list[Row]:
        """Return all rows; that of a stage which runs has its seconds so far and the newest line of its program."""
        now, line = self._clock(), self._last_line
        return [
            replace(row, seconds=now - self._begun[row.name], note=line) if row.state == "running" else row
            for row in tuple(self._rows.values())
        ]

    def _tell_place(self) -> str:
        rows = self._list_rows()
        return ", ".join(filter(None, (table.count(rows), table.estimate(rows))))

    def _render(self) -> Group:
        rows = self._list_rows()
        if self._over.is_set():
            return Group(*table.conclude(rows))
        place = [Text(f"   {self._tell_place()}", style="dim", no_wrap=True)] if self._is_counted else []
        bars = tuple(self._bars)
        return Group(*table.fit(rows, self._terminal.height - len(bars) - len(place) - 1), *bars, *place)
