"""torchvision's MNIST and CIFAR10 open the course's data, so that programs for the published sets run unchanged.

torchvision decides first. Only where it refuses `root`, two things are tried:

- CIFAR10: `root` holds a stand-in. Its files must be those that `course-data make` wrote, by the SHA-256 sums of
  `source.json`.
  A published set with a wrong byte stays what torchvision calls it: corrupted.
- Both: `root` holds no file of the set. Then the set that the prologue would take is opened, if the download that the
  program asked for has failed, or if `root` ends with the set's name as in the course's programs (`./data/cifar10`).

Nothing is written. FashionMNIST, CIFAR100 and all others are left alone.
"""

import functools
import inspect
import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from course_tools.datasets import store, told
from course_tools.datasets.catalogue import CIFAR10, MNIST, SOURCE, DataSet
from course_tools.datasets.places import find

STAND_IN = "** A stand-in for {}, not the real one (with a network: course-data fetch)"
"""The prologue's line."""


def teach(module: ModuleType) -> None:
    """Change the class MNIST of `torchvision.datasets.mnist`, or CIFAR10 of `torchvision.datasets.cifar`."""
    if hasattr(module, "CIFAR10"):
        accept_stand_in(module.CIFAR10)
        find_course_set(module.CIFAR10, CIFAR10, has_cifar10)
    else:
        find_course_set(module.MNIST, MNIST, has_mnist)


def has_cifar10(opened: Any) -> bool:
    """Return whether an object of torchvision has CIFAR10's files: a student's subclass has, CIFAR100 has not."""
    return bool(opened.base_folder == CIFAR10.place)


def has_mnist(opened: Any) -> bool:
    """Return whether an object of torchvision has MNIST's files: FashionMNIST has not."""
    return Path(opened.raw_folder) == Path(opened.root, MNIST.place)


def accept_stand_in(kind: Any) -> None:
    """Have CIFAR10 take a stand-in's files as sound, though their MD5 sums are not the published ones."""
    check = kind._check_integrity

    @functools.wraps(check)
    def check_integrity(self: Any) -> bool:
        if self.meta["md5"] is None or check(self):
            return True
        if not has_cifar10(self) or not is_stand_in(CIFAR10, Path(self.root)):
            return False
        self.meta = {**self.meta, "md5": None}  # of this object alone: its file of names is a stand-in's, too
        return True

    kind._check_integrity = check_integrity


def find_course_set(kind: Any, dataset: DataSet, concerns: Callable[[Any], bool]) -> None:
    """Have `kind` open the course's set where its `root` has none, and say where a stand-in is opened.

    kind: a class of torchvision. concerns: whether an object of it, or of a subclass, has the files of `dataset`.
    """
    init = kind.__init__

    @functools.wraps(init)
    def open_set(self: Any, *arguments: Any, **options: Any) -> None:
        try:
            init(self, *arguments, **options)
        except (OSError, RuntimeError) as error:
            given = inspect.signature(init).bind(self, *arguments, **options)
            root = Path(self.root)
            found = find(dataset) if concerns(self) and not has_any(dataset, root) else None
            asked = given.arguments.get("download", False)
            if not found or found.missing or not (asked or root.name == dataset.name):
                raise
            given.arguments.update(root=found.folder / dataset.name, download=False)
            init(*given.args, **given.kwargs)
            failed = f", and the download failed ({str(error).splitlines()[-1]})" if asked else ""
            say(f"** No {dataset.title} in {root}{failed}: it is taken from {self.root}")
        if concerns(self) and read_source(Path(self.root)).get("source") == "stand-in":
            say(STAND_IN.format(dataset.title))

    kind.__init__ = open_set


def has_any(dataset: DataSet, root: Path) -> bool:
    """Return whether `root` holds a file of the set, packed or not: then torchvision's word on it stands."""
    names = (*dataset.files, *(f"{name}.gz" for name in dataset.files))
    return any((root / dataset.place / name).exists() for name in names)


def is_stand_in(dataset: DataSet, root: Path) -> bool:
    """Return whether all files of `dataset` in `root` are those of a stand-in, byte for byte."""
    source = read_source(root)
    sums = source.get("files")
    if source.get("source") != "stand-in" or not isinstance(sums, dict):
        return False
    try:
        return all(store.hash_file(root / dataset.place / name) == sums.get(name) for name in dataset.files)
    except OSError:
        return False


def read_source(root: Path) -> dict[str, Any]:
    """Return what `source.json` in `root` says; {} where there is none that can be read."""
    try:
        source = json.loads((root / SOURCE).read_text())
    except (OSError, ValueError):
        return {}
    return source if isinstance(source, dict) else {}


def say(line: str) -> None:
    """Print a line once a program; not in the processes that a DataLoader starts."""
    if line not in told.lines and multiprocessing.parent_process() is None:
        told.lines.add(line)
        print(line)
