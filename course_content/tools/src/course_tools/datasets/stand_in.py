"""Stand-ins for the real sets, in exactly their files: for machines that no network reaches."""

import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from course_tools.datasets import digits, pictures
from course_tools.datasets.catalogue import CIFAR10, MNIST, DataSet

VERSION = 1
"""Raised when the same request gives other bytes, because published ranges hang on them."""

SEED = 559
COUNTS = {"mnist": (60_000, 10_000), "cifar10": (50_000, 10_000)}
NOTES = {
    "mnist": "handwriting of scikit-learn's load_digits, enlarged and varied; no source image in both train and test",
    "cifar10": "drawn shapes of ten kinds: " + ", ".join(pictures.NAMES),
}
Report = Callable[[int], None]


def make(dataset: DataSet, folder: Path, counts: tuple[int, int], report: Report) -> None:
    """Write the files of the stand-in for `dataset` (samples for training and test: `counts`) into `folder`."""
    {"mnist": make_mnist, "cifar10": make_cifar10}[dataset.name](folder, counts, report)


def make_mnist(folder: Path, counts: tuple[int, int], report: Report) -> None:
    """Write the four files of MNIST."""
    arrays = digits.make(*counts, SEED, report)
    for name, array in zip(MNIST.files, arrays, strict=True):
        write_idx(folder / name, array)


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Write bytes in MNIST's format: 00 00 08 and the number of dimensions, big-endian sizes, the values."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


def make_cifar10(folder: Path, counts: tuple[int, int], report: Report) -> None:
    """Write the seven files of CIFAR-10's Python version."""
    rng = np.random.default_rng(SEED)
    batches = len(CIFAR10.files) - 2
    labels = [f"training batch {number} of {batches}" for number in range(1, batches + 1)] + ["testing batch 1 of 1"]
    for name, label in zip(CIFAR10.files[:-1], labels, strict=True):
        count = counts[1] if name == "test_batch" else counts[0] // batches
        images, classes = pictures.make(count, rng, report)
        names = [f"{pictures.NAMES[kind]}_{number:05}.png".encode() for number, kind in enumerate(classes.tolist())]
        write_pickle(
            folder / name,
            {
                b"batch_label": label.encode(),
                b"labels": classes.tolist(),
                b"data": images.reshape(count, -1),
                b"filenames": names,
            },
        )
    names = [name.encode() for name in pictures.NAMES]
    meta = {b"num_cases_per_batch": counts[0] // batches, b"label_names": names, b"num_vis": 3072}
    write_pickle(folder / "batches.meta", meta)


PythonPickler: Any = pickle._Pickler
"""The pickler that is written in Python: its methods can be replaced."""


def write_pickle(path: Path, content: dict[bytes, Any]) -> None:
    """Write `content` as Python 2 did, whose strings a reader may take for bytes or for text, as it likes."""
    with path.open("wb") as stream:
        OldPickler(stream, protocol=2).dump(content)


class OldPickler(PythonPickler):
    """Writes bytes as the strings of Python 2: the real files have them, and every program for them expects them."""

    dispatch: ClassVar = dict(PythonPickler.dispatch)

    def save_string(self, value: bytes) -> None:
        size = len(value)
        self.write(b"U" + bytes([size]) if size < 256 else b"T" + struct.pack("<i", size))
        self.write(value)
        self.memoize(value)

    dispatch[bytes] = save_string
