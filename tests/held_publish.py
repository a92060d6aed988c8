"""Publishes a release and stops for ever at a point: python held_publish.py FOLDER TARGET POINT REACHED.

POINT is the number of bytes after which it stops, or "show": when all is sent, before the moving name changes. It then
makes the file REACHED. Whoever started it kills it there.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from practicum.engine.progress import Console
from practicum.release.publish import publish


class HeldConsole(Console):
    """Stops whoever reports progress."""

    def __init__(self, point: str, reached: Path) -> None:
        super().__init__(plain=True)
        self._left = int(point) if point.isdecimal() else 0
        self._at_the_end = point == "show"
        self._reached = reached

    @contextmanager
    def transfer(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        with super().transfer(title, total) as report:
            yield (lambda count: self._count(count, report)) if title.startswith("publishing") else report
        if title.startswith("publishing") and self._at_the_end:
            self._stop()

    def _count(self, count: int, report: Callable[[int], None]) -> None:
        report(count)
        self._left -= count
        if self._left <= 0 and not self._at_the_end:
            self._stop()

    def _stop(self) -> None:
        self._reached.touch()
        time.sleep(10_000)


if __name__ == "__main__":
    folder, target, point, reached = sys.argv[1:]
    publish(Path(folder), target, HeldConsole(point, Path(reached)), unsigned=True)
