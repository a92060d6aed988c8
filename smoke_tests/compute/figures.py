"""Figures that tests measure and the report shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    name: str
    device: str
    value: float
    unit: str


def format_table(figures: list[Figure]) -> list[str]:
    """Return the figures as aligned lines."""
    width = max((len(figure.name) for figure in figures), default=0)
    return [
        f"{figure.name:<{width}}  {figure.device:<5} {_format_value(figure.value):>8} {figure.unit}"
        for figure in figures
    ]


def seconds_per_call(action: Callable[[], object], device: torch.device, *, budget: float = 0.5) -> float:
    """Mean time of `action` over about `budget` seconds, after a warm-up."""
    least = 10 if device.type == "cuda" else 1  # the first calls load kernels, and the GPU raises its clock
    _elapsed(action, device, calls=least)
    once = _elapsed(action, device, calls=least) / least
    calls = max(least, int(budget / once))
    return _elapsed(action, device, calls=calls) / calls


def _elapsed(action: Callable[[], object], device: torch.device, calls: int) -> float:
    """Return a GPU works behind the program's back: it is asked itself, by events in its stream of work."""
    if device.type == "cuda":
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(calls):
            action()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1000
    begin = time.perf_counter()
    for _ in range(calls):
        action()
    return time.perf_counter() - begin


def _format_value(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
