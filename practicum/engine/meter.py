"""Progress of a long step: a bar on a terminal, a plain line now and then elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

PLAIN_SECONDS = 5.0


@contextmanager
def show_bytes(title: str, total: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Give a function to be told of every n bytes done, from any thread; `total` bytes are expected, 0: not known.

    Writes to standard error: a bar with speed and elapsed time on a terminal, else (or where CI is set) a line every
    five seconds.
    """
    if not shown:
        yield lambda count: None
    elif sys.stderr.isatty() and not os.environ.get("CI"):
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
            task = bar.add_task(title, total=total or None)
            yield lambda count: bar.advance(task, count)
    else:
        yield from _print_lines(title, total)


def _print_lines(title: str, total: int) -> Iterator[Callable[[int], None]]:
    start = last = time.monotonic()
    done, lock = 0, Lock()

    def say(now: float) -> None:
        of_total = f" of {total / 1e6:.0f}" if total else ""
        print(f"{title}: {done / 1e6:.0f}{of_total} MB, {now - start:.0f} s", file=sys.stderr, flush=True)

    def report(count: int) -> None:
        nonlocal done, last
        with lock:
            done += count
            now = time.monotonic()
            if now - last >= PLAIN_SECONDS:
                last = now
                say(now)

    yield report
    say(time.monotonic())
