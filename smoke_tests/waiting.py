"""How tests wait: for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 900.0
"""Seconds after which a wait counts as a hang. No promise: what is waited for takes a few on idle cores."""


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE, pause: float = 0.1) -> None:
    """Poll until `condition` holds; fail after `seconds`, saying `what` did not happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(pause)
