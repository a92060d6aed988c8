"""Data and helpers that the practicals share: `import dlc_practical_prologue as prologue`.

Importing it reads the options below from the command line and leaves every other argument alone, so it can be used
from a notebook, from pytest, and by programs with options of their own. It seeds torch's generator (option --seed) and
does nothing else: no download, no file, no default device.

  --full         the whole data set instead of the first 1000 samples
  --tiny         500 training and 100 test samples; so does the variable COURSE_TINY, where there is no command line
  --seed N       seed of torch's generator, 0 unless given; a negative one leaves the generator alone
  --cifar        CIFAR10 instead of MNIST
  --data_dir D   folder with mnist/ and cifar10/; else the variable PYTORCH_DATA_DIR; else the first that holds the set
                 of ./data, the home folder's (course-data fetch) and the machine's own
  --force_cpu    `prologue.device` is the CPU even where there is a GPU
  --signed_labels   one-hot labels are -1 and +1, as in 2018, instead of 0 and 1

A notebook has no command line: there, set them before the first use, for example `prologue.args.full = True`.
"""

import argparse
import gzip
import json
import math
import os
import pickle
import shutil
import sys
from pathlib import Path
from typing import TypeVar

import numpy
import torch
import torch.nn.functional as functional
from torch import Tensor

parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
parser.add_argument("--full", action="store_true")
parser.add_argument("--tiny", action="store_true")
parser.add_argument("--force_cpu", action="store_true")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--cifar", action="store_true")
parser.add_argument("--data_dir", default=None)
parser.add_argument("--signed_labels", action="store_true")
parser.add_argument("-f", "--file", nargs="?", help=argparse.SUPPRESS)  # Jupyter gives its kernels -f FILE

args, _ = parser.parse_known_args()
args.tiny = args.tiny or (bool(os.environ.get("COURSE_TINY")) and not args.full)

if args.seed >= 0:
    torch.manual_seed(args.seed)

device = torch.device("cuda" if torch.cuda.is_available() and not args.force_cpu else "cpu")


HOME_FOLDER = Path(".local/share/course-data")
COURSE_FOLDER = Path("/opt/course/data")
FIRST_FILES = {"mnist": "MNIST/raw/train-images-idx3-ubyte", "cifar10": "cifar-10-batches-py/data_batch_1"}
TITLES = {"mnist": "MNIST", "cifar10": "CIFAR10"}
SOURCES = {
    "real": "** The real {}",
    "stand-in": "** A stand-in for {}, not the real one (with a network: course-data fetch)",
}
"""What is printed of the data, once a program, by where they come from; nothing where that is unknown."""
told: set[str] = getattr(sys.modules.get("course_tools.datasets.told"), "lines", set())
"""What was printed already. In the products, torchvision's MNIST and CIFAR10 add to it, too."""

Choice = TypeVar("Choice")


class DataNotFoundError(FileNotFoundError):
    """The data are not on this machine; the message says which file is missing and how to get it."""


def pick(full: Choice, tiny: Choice) -> Choice:
    """`tiny` where things are to be tried quickly (--tiny, COURSE_TINY), else `full`."""
    return tiny if args.tiny else full


def show(words: str) -> None:
    """Show matplotlib's current figure, with `words` that say what is on it to those who cannot see it.

    A notebook keeps the words beside the picture, and pages that are made of it give them to screen readers.
    """
    from IPython.display import display
    from matplotlib import pyplot

    if "inline" not in pyplot.get_backend():  # a program: its figures are windows
        pyplot.show()
        return
    display(pyplot.gcf(), metadata={"image/png": {"alt": words}})
    pyplot.close()


def convert_to_one_hot_labels(input: Tensor, target: Tensor, signed: bool | None = None) -> Tensor:
    """Turn class numbers (N, int64) into rows (N x C) of `input`'s type, with C the largest class number plus one.

    A row is 0, and 1 at the class; with `signed` (default: --signed_labels) it is -1, and +1 at the class.
    """
    off = -1.0 if (args.signed_labels if signed is None else signed) else 0.0
    rows = input.new_full((target.size(0), int(target.max()) + 1), off)
    return rows.scatter_(1, target.view(-1, 1), 1.0)


def load_data(
    cifar: bool | None = None, one_hot_labels: bool = False, normalize: bool = False, flatten: bool = True
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Load (train_input, train_target, test_input, test_target), the first samples of each set.

    Inputs are float32 from 0 to 255: N x 784 or N x 3072 with `flatten`, else N x 1 x 28 x 28 or N x 3 x 32 x 32.
    Targets are class numbers (N, int64), or rows with `one_hot_labels`. `normalize` subtracts from both inputs the one
    mean, and divides them by the one standard deviation, of the training samples that are returned.
    Raises ValueError for --full with --tiny, and DataNotFoundError.
    """
    if args.full and args.tiny:
        raise ValueError("--full and --tiny exclude each other: give one of them")
    if args.cifar or cifar:
        print("* Using CIFAR")
        train_input, train_target, test_input, test_target = read_cifar()
    else:
        print("* Using MNIST")
        train_input, train_target, test_input, test_target = read_mnist()
    if flatten:
        train_input, test_input = train_input.flatten(1), test_input.flatten(1)
    if not args.full:
        if args.tiny:
            print("** Reduce the data-set to the tiny setup")
        else:
            print("** Reduce the data-set (use --full for the full thing)")
        nb_train, nb_test = (500, 100) if args.tiny else (1000, 1000)
        train_input, train_target = train_input[:nb_train], train_target[:nb_train]
        test_input, test_target = test_input[:nb_test], test_target[:nb_test]
    print(f"** Use {train_input.size(0)} train and {test_input.size(0)} test samples")
    train_input, test_input = train_input.float(), test_input.float()
    if one_hot_labels:
        train_target = convert_to_one_hot_labels(train_input, train_target)
        test_target = convert_to_one_hot_labels(test_input, test_target)
    if normalize:
        mean, std = train_input.mean(), train_input.std()
        train_input, test_input = (train_input - mean) / std, (test_input - mean) / std
    return train_input, train_target, test_input, test_target


def mnist_to_pairs(nb: int, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Draw `nb` pairs of digits from `input` (N x 1 x 28 x 28), no digit twice.

    Gives the pairs (nb x 2 x 14 x 14, each digit averaged over 2 x 2 pixels), their targets (nb, 1 where the first
    digit is not larger than the second, else 0) and their classes (nb x 2).
    """
    chosen = torch.randperm(input.size(0), device=input.device)[: 2 * nb].view(nb, 2)
    small = functional.avg_pool2d(input, kernel_size=2)
    classes = target[chosen]
    return small[chosen].flatten(1, 2), (classes[:, 0] <= classes[:, 1]).long(), classes


def generate_pair_sets(nb: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """`mnist_to_pairs` of the whole training set, then of the whole test set: six tensors; raises DataNotFoundError."""
    train_input, train_target, test_input, test_target = read_mnist()
    return *mnist_to_pairs(nb, train_input.float(), train_target), *mnist_to_pairs(nb, test_input.float(), test_target)


def get_data_dir(name: str = "mnist") -> Path:
    """The folder from which the set `name` ("mnist" or "cifar10") is taken."""
    named = args.data_dir or os.environ.get("PYTORCH_DATA_DIR")
    if named:
        return Path(named)
    places = [Path("data"), Path.home() / HOME_FOLDER, COURSE_FOLDER]
    return next((place for place in places if has_set(place, name)), places[0])


def has_set(place: Path, name: str) -> bool:
    """Whether the set `name` is in the folder `place`, packed or not; its first file stands for all."""
    first = place / name / FIRST_FILES[name]
    return first.is_file() or first.with_name(first.name + ".gz").is_file()


def get_data_source(name: str) -> str:
    """Where the set `name` ("mnist" or "cifar10") comes from: "real", "stand-in" or "unknown"."""
    try:
        source = json.loads((get_data_dir(name) / name / "source.json").read_text())["source"]
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"
    return source if source in SOURCES else "unknown"


def print_source(name: str) -> None:
    """Say whether programs get the real set `name`, where that is known and was not said before."""
    line = SOURCES.get(get_data_source(name), "").format(TITLES[name])
    if line and line not in told:
        told.add(line)
        print(line)


def read_mnist() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The whole of MNIST: uint8 images N x 1 x 28 x 28 and int64 classes, training then test; DataNotFoundError."""
    folder = get_data_dir("mnist") / "mnist" / "MNIST" / "raw"
    print_source("mnist")
    tensors = []
    for part in ("train", "t10k"):
        tensors.append(read_idx(folder / f"{part}-images-idx3-ubyte").view(-1, 1, 28, 28))
        tensors.append(read_idx(folder / f"{part}-labels-idx1-ubyte").long())
    return tensors[0], tensors[1], tensors[2], tensors[3]


def read_idx(path: Path) -> Tensor:
    """The bytes (uint8) of a file in MNIST's format: 00 00 08 dimensions, big-endian sizes, then the values.

    Raises DataNotFoundError, and ValueError for a file that is not whole.
    """
    if path.is_file():
        content = path.read_bytes()
    elif path.with_name(path.name + ".gz").is_file():
        content = gzip.decompress(path.with_name(path.name + ".gz").read_bytes())
    else:
        raise DataNotFoundError(explain_missing(path, "MNIST"))
    offset = 4 + 4 * (content[3] if len(content) > 3 else 0)
    sizes = numpy.frombuffer(content[4:offset], ">u4").tolist() if len(content) >= offset else []
    if not sizes or len(content) != offset + math.prod(sizes):
        raise ValueError(explain_damage(path))
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=offset).view(sizes)


def read_cifar() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The whole of CIFAR10: uint8 images N x 3 x 32 x 32 and int64 classes, training then test; DataNotFoundError."""
    folder = get_data_dir("cifar10") / "cifar10" / "cifar-10-batches-py"
    print_source("cifar10")
    train = [read_cifar_batch(folder / f"data_batch_{number}") for number in range(1, 6)]
    train_input, train_target = (torch.cat(pieces) for pieces in zip(*train, strict=True))
    return train_input, train_target, *read_cifar_batch(folder / "test_batch")


def read_cifar_batch(path: Path) -> tuple[Tensor, Tensor]:
    """One file of CIFAR10's Python version, a pickled dictionary: images and classes; raises as read_idx does."""
    if not path.is_file():
        raise DataNotFoundError(explain_missing(path, "CIFAR10"))
    try:
        with path.open("rb") as file:
            batch = pickle.load(file, encoding="bytes")  # a file the student put there: trusted as their own code is
    except (EOFError, pickle.UnpicklingError) as error:
        raise ValueError(explain_damage(path)) from error
    return torch.from_numpy(batch[b"data"]).view(-1, 3, 32, 32), torch.tensor(batch[b"labels"])


def explain_missing(path: Path, name: str) -> str:
    """The message of DataNotFoundError."""
    fetch = ", or get them with: course-data fetch (without a network: make)" if shutil.which("course-data") else ""
    return (
        f"{name} is not on this machine, {path.absolute()} is missing: put the files of {name} into that folder,"
        f" or set PYTORCH_DATA_DIR (or --data_dir) to the folder that holds mnist/ and cifar10/{fetch}"
    )


def explain_damage(path: Path) -> str:
    """The message for a file that is not whole."""
    return f"{path.absolute()} is not whole, or another file under this name: remove it and get it again"
