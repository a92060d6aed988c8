"""A stage for the tests of the engine: what it reads and what it does are given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from practicum.engine.progress import Console
from practicum.engine.stage import Stage


def make_nothing(_out: Path, _console: Console) -> None:
    pass


def remove_no_image(image: str) -> None:
    raise AssertionError(f"{image}: these stages have no image")


@dataclass(frozen=True)
class PlainStage(Stage):
    """`given` are its inputs, label -> value; the other fields stand for what a stage's class says."""

    name: str = "base"
    given: Mapping[str, str] = field(default_factory=dict)
    build: Callable[[Path, Console], None] = make_nothing
    outputs: tuple[str, ...] = ("root.tar",)
    still_there: Callable[[Path], bool] = lambda _: True
    space: int = 0
    tools: tuple[str, ...] = ()
    image: str = ""

    @cached_property
    def inputs(self) -> Mapping[str, str]:
        return dict(self.given)


def key_of(name: str, given: Mapping[str, str]) -> str:
    return PlainStage(name=name, given=given).key
