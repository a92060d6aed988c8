"""Waiting for what another process does: a condition that is asked again and again, and a deadline that ends a hang."""

import time
from collections.abc import Callable

DEADLINE = 600.0
"""Seconds. It promises nothing: a machine may be thirty times as busy as it should be."""


def wait_until(condition: Callable[[], object], what: str, pause: float = 0.05) -> None:
    """Ask until `condition` holds; raises AssertionError, saying `what` did not happen, after DEADLINE."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE:.0f} s"
        time.sleep(pause)
