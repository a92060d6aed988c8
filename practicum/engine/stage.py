"""What a stage is: a step of the build that declares all it reads, so that its key says whether its output is there.

    @dataclass(frozen=True)
    class Squashfs(Stage):
        machine: Stage          another stage: its key counts
        epoch: int              a value: its JSON counts

The fields of a stage are its inputs, and `build` reads nothing else. Its key is a digest of its name, its fields and
the code of its module, with whatever that imports (source.py).
"""

import hashlib
import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from practicum.engine import cache
from practicum.engine.progress import Console
from practicum.engine.source import digest_code

KEY_VERSION = 2
"""A change of it runs every stage again."""

SHORT = 80
"""Characters of a value that is kept as it is, so that `explain` can show it; a longer one is digested."""


@dataclass(frozen=True)
class Tree:
    """A file or folder of the checkout `root`, which a stage reads; `name` is its path there."""

    root: Path
    name: str

    @property
    def path(self) -> Path:
        return self.root / self.name

    @cached_property
    def inputs(self) -> dict[str, str]:
        return {self.name: cache.hash_tree(self.path)}

    def copy_to(self, folder: Path) -> Path:
        """Copy it to its name below `folder`, without what hash_tree ignores; return the copy."""
        return self.copy_as(folder / self.name)

    def copy_as(self, target: Path) -> Path:
        """Copy it to the path `target`, which is not there yet."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.path.is_dir():
            ignored = shutil.ignore_patterns(*cache.IGNORED)
            shutil.copytree(self.path, target, symlinks=True, ignore=ignored, copy_function=_copy)
            for folder in (target, *(path for path in target.rglob("*") if path.is_dir() and not path.is_symlink())):
                folder.chmod(0o755)
        else:
            _copy(self.path, target)
        return target


@dataclass(frozen=True)
class Place:
    """A path that says where something is, not what it is; it is in no key."""

    path: Path


@dataclass(frozen=True)
class Stage(ABC):
    """One cached step; see the text of this module."""

    outputs: ClassVar[tuple[str, ...]]
    """Files that must exist in the output's folder after `build`, not empty."""

    space: ClassVar[int] = 0
    """Bytes that must be free in the cache before it runs; `measure_space` may know better."""

    tools: ClassVar[tuple[str, ...]] = ()
    """Programs or absolute paths that `tools.require` must find; the versions of the programs are recorded."""

    suffix: str = field(default="", kw_only=True)
    """What its name ends with, which tells stages of one class for several architectures apart."""

    @abstractmethod
    def build(self, out: Path, console: Console) -> None:
        """Fill the empty folder `out` and tell the console what happens; raises PracticumError."""

    @property
    def name(self) -> str:
        """The name of the stage, unlike that of any other stage of a semester."""
        return self.title + self.suffix

    @property
    def title(self) -> str:
        """The name without the suffix."""
        return type(self).__name__.lower()

    @property
    def needs(self) -> tuple[str, ...]:
        """All that `tools.require` must find: `tools`, and what this very stage needs besides."""
        return self.tools

    def measure_space(self) -> int:
        """Return the bytes that must be free in the cache before this very stage runs."""
        return self.space

    @property
    def image(self) -> str:
        """The docker image that `build` leaves and that is removed with the output; "" for none."""
        return ""

    def still_there(self, _folder: Path) -> bool:
        """Whether what a finished output left outside its folder (an image, a file of dist/) is still there."""
        return True

    @cached_property
    def inputs(self) -> Mapping[str, str]:
        """All that the key depends on: label -> digest or short value."""
        read: dict[str, str] = {}
        for one in fields(self):
            if one.name != "suffix":  # the key has the name
                read |= describe_input(one.name, getattr(self, one.name))
        return read | digest_code(type(self).__module__)

    @cached_property
    def key(self) -> str:
        """SHA-256 in hex, which names the output."""
        text = json.dumps([KEY_VERSION, self.name, dict(self.inputs)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def folder(self) -> Path:
        """Where the output is, or will be."""
        return cache.root() / "stages" / self.name / self.key


def _copy(source: str | Path, target: str | Path) -> None:
    """Copy a file, with one of git's two modes: the others follow from the umask of whoever made the checkout."""
    shutil.copyfile(source, target)
    Path(target).chmod(0o755 if Path(source).stat().st_mode & 0o100 else 0o644)


def describe_input(label: str, value: object) -> dict[str, str]:
    """Return what one field of a stage adds to its inputs."""
    if isinstance(value, Stage):
        return {value.name: value.key}
    if isinstance(value, Place):
        return {}
    if hasattr(value, "inputs"):  # a Tree, or what holds several
        return dict(value.inputs)
    text = json.dumps(value, sort_keys=True, default=_as_json)
    return {label: text if len(text) <= SHORT else hashlib.sha256(text.encode()).hexdigest()}


def _as_json(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return os.fspath(value)
    raise TypeError(f"a stage cannot be given a {type(value).__name__}")
