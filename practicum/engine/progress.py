"""Shows where a build is: a live table on a terminal, plain lines that survive in a log anywhere else."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TextIO

from rich.console import Console as Terminal
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn
from rich.text import Text

HEARTBEAT = 30.0
"""Seconds of silence after which plain mode says what it is waiting for; CI systems take silence for death."""

TRANSFER_SECONDS = 5.0
"""Seconds between two lines of plain mode about bytes that are under way."""

_MARKS = {"waiting": ("·", "dim"), "running": ("▸", "bold cyan"), "done": ("✓", "green"), "failed": ("✗", "bold red")}


class Console:
    """What a stage talks to. Use as a context manager around the whole build; `stage` frames one step of it.

    `plain` defaults to "not a terminal, or CI is set".
    """

    def __init__(
        self,
        stages: Sequence[str] = (),
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
        self._stages: dict[str, tuple[str, float, str]] = {}
        self._current = ""
        self._last_line = ""
        self._bars: list[Progress] = []
        self.expect(stages)
        terminal = Terminal(file=self._stream, highlight=False)
        self._live = None if self.plain else Live(get_renderable=self._render, console=terminal, refresh_per_second=4)
        self._frame: AbstractContextManager[object] = self._live or nullcontext()

    def __enter__(self) -> "Console":
        self._frame.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._frame.__exit__(None, None, None)

    def expect(self, stages: Sequence[str]) -> None:
        """Name the stages to come, so that the terminal shows the whole way."""
        for name in stages:
            self._stages.setdefault(name, ("waiting", 0.0, ""))

    def say(self, text: str) -> None:
        """Print one lasting line, after the time since the start and the name of the current stage."""
        self._spoke = self._clock()
        line = f"[{self._spoke - self._started:6.1f} s] {self._current + ': ' if self._current else ''}{text}"
        if self._live:
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
        begun = self._clock()
        self._stages[name] = ("running", begun, "")
        over = threading.Event()
        if self.plain:
            threading.Thread(target=self._beat, args=(over, begun), daemon=True).start()
        state = "failed"
        try:
            yield
            state = "done"
        finally:
            over.set()
            self._stages[name] = (state, self._clock() - begun, "")
            self._current = outer

    def skip(self, name: str, reason: str) -> None:
        """Record a stage that had nothing to do."""
        self._stages[name] = ("done", 0.0, reason)
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
                self.say(f"still running after {self._clock() - begun:.0f} s{last}")

    def _render(self) -> Group:
        stages = (self._render_stage(name, *entry) for name, entry in self._stages.items())
        return Group(*stages, *self._bars)

    def _render_stage(self, name: str, state: str, seconds: float, note: str) -> Text:
        mark, style = _MARKS[state]
        if state == "running":
            seconds, note = self._clock() - seconds, self._last_line
        elapsed = "" if state == "waiting" else f"{seconds:.1f} s"
        return Text(f" {mark} {name:<14}{elapsed:>10}  {note}", style=style, no_wrap=True, overflow="ellipsis")
