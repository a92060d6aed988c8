"""The recordings of the EEG project: `import dlc_bci`.

The data are set IV of the BCI Competition II, "self-paced 1s" (Blankertz, Curio and Mueller, "Classifying single trial
EEG", 2002). One healthy subject typed with the left or the right hand, at will; each trial is the half second of EEG
that ends 130 ms before a key is pressed, 28 channels. There are 316 trials to learn from and 100 to test.

Files in `root`, as the competition published them ("ASCII format"), one trial a line, numbers separated by blanks:

    sp1s_aa_train.txt           label, then 28 x 50 values, channel after channel (100 Hz)
    sp1s_aa_test.txt            28 x 50 values
    sp1s_aa_train_1000Hz.txt    label, then 28 x 500 values (1 kHz)
    sp1s_aa_test_1000Hz.txt     28 x 500 values
    labels_data_set_iv.txt      the labels of the 100 test trials, one a line

Labels: 0 is the left hand, 1 the right one. Values are microvolts.

Where there are none, `load` makes recordings of the same form up and says so, that you can begin without the real ones.
`python dlc_bci.py` writes made-up ones into the folder data.
"""

import atexit
import math
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy
import torch
from torch import Tensor

# fmt: off
CHANNELS = [
    "F3", "F1", "Fz", "F2", "F4", "FC5", "FC3", "FC1", "FCz", "FC2", "FC4", "FC6", "C5", "C3", "C1", "Cz", "C2", "C4",
    "C6", "CP5", "CP3", "CP1", "CPz", "CP2", "CP4", "CP6", "O1", "O2",
]
# fmt: on
"""The electrodes, in the order of the files; odd numbers are on the left."""

NB_TRAIN, NB_TEST = 316, 100
LABELS = "labels_data_set_iv.txt"
PAGE = "www.bbci.de/competition/ii"

STAND_IN = "STAND-IN.txt"
MADE_UP = "** A stand-in for the EEG recordings, not the real ones (dlc_bci.py says where those are)"
told: set[str] = set()
"""The lines that `load` has printed."""
# What made-up trials are of, in microvolts: chosen so that the published order of errors holds (statement, "The data").
LATERAL = 11.0  # the fall on the active side, which a linear model finds
WAVE = 25.0  # a short wave there: its mean over trials is 0, so that a convolution finds it and a linear model does not
ASTRAY = 0.1  # the part of the trials in which the wave passes on the other side
LEVEL, WALK = 10.4, 8.0  # each electrode's level and drift, on which a network overfits
RHYTHM, NOISE = 5.0, 6.0


class BciDataError(Exception):
    """The files are missing or are not what they should be; one line says what to do."""


def load(
    root: str | Path = "data", train: bool = True, download: bool = True, one_khz: bool = False
) -> tuple[Tensor, Tensor]:
    """Load trials: input (N x 28 x 50, or N x 28 x 500 with `one_khz`; float32, microvolts), target (N; int64).

    `train` chooses between the 316 trials for training and the 100 for testing. They come from the folder `root`; where
    none of the files is there, from the first folder that `find_root` finds; else they are made up. A program says once
    that its trials are made up. Nothing is ever downloaded: `download` is there for programs that were written for an
    older loader. Raises BciDataError where a folder has only a part of the files, or a file is damaged.
    """
    folder = Path(root) if has_recordings(root) else find_root()
    if folder is None or is_stand_in(folder):
        say(MADE_UP)
    if folder is None or (one_khz and is_stand_in(folder) and not (folder / name_file(train, one_khz)).exists()):
        values, labels = make_trials(NB_TRAIN if train else NB_TEST, seed=2 * read_seed(folder) + (not train))
        values = values if one_khz else average(values)
    else:
        values, labels = read_trials(folder, train, one_khz)
    return torch.from_numpy(values.astype(numpy.float32)), torch.from_numpy(labels.astype(numpy.int64))


def read_trials(folder: Path, train: bool, one_khz: bool) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The trials (N x 28 x 50 or 500) and labels (N) in the files of a folder; raises BciDataError."""
    nb, nb_times = (NB_TRAIN if train else NB_TEST), (500 if one_khz else 50)
    path = folder / name_file(train, one_khz)
    rows = read_rows(path, nb, len(CHANNELS) * nb_times + train)
    if train:
        labels, values = rows[:, 0], rows[:, 1:]
    else:
        path = folder / LABELS
        labels, values = read_rows(path, nb, 1)[:, 0], rows
    if not numpy.isin(labels, (0, 1)).all():
        raise BciDataError(f"{path}: a label is neither 0 nor 1: is it the file of this name from {PAGE}?")
    return values.reshape(nb, len(CHANNELS), nb_times), labels


def name_file(train: bool, one_khz: bool) -> str:
    """The name under which trials were published."""
    return f"sp1s_aa_{'train' if train else 'test'}{'_1000Hz' if one_khz else ''}.txt"


def has_recordings(root: str | Path) -> bool:
    """Whether at least one of the published files is in the folder `root`: then the others belong there, too."""
    names = [name_file(train, one_khz) for train in (True, False) for one_khz in (True, False)]
    return any((Path(root) / name).exists() for name in (*names, LABELS))


def say(line: str) -> None:
    """Print a line once a program."""
    if line not in told:
        told.add(line)
        print(line)


def read_rows(path: Path, nb_rows: int, nb_columns: int) -> numpy.ndarray:
    """The numbers in a file of so many rows and columns; raises BciDataError."""
    try:
        rows = numpy.loadtxt(path, dtype=numpy.float64, ndmin=2)
    except FileNotFoundError:
        raise BciDataError(explain_missing(path)) from None
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or ["?"])[0]
        raise BciDataError(f"{path}: cannot be read as rows of numbers ({reason}): get the file anew") from None
    if nb_columns == 1 and rows.shape[0] == 1:
        rows = rows.T  # labels in one line
    if rows.shape != (nb_rows, nb_columns):
        raise BciDataError(
            f"{path}: {rows.shape[0]} rows of {rows.shape[1]} numbers instead of {nb_rows} rows of {nb_columns}:"
            " is it the file of this name, and whole?"
        )
    if not numpy.isfinite(rows).all():
        raise BciDataError(f"{path}: not all numbers are finite: get the file anew")
    return rows


def explain_missing(path: Path) -> str:
    """What to do without the file `path`."""
    return (
        f"{path.name} is not in {path.parent.absolute()}: get data set IV of the BCI Competition II in ASCII format"
        f" from {PAGE} (and the test labels, labels_data_set_iv.txt, from its results), and unpack it into that folder"
    )


def find_root() -> Path | None:
    """The first folder with recordings: ./data, or bci in the course's data folders; None when there is none."""
    home = os.environ.get("HOME", "/")
    course = [os.environ.get("PYTORCH_DATA_DIR"), f"{home}/.local/share/course-data", "/opt/course/data"]
    folders = [Path("data"), *(Path(folder) / "bci" for folder in course if folder)]
    return next((folder for folder in folders if has_recordings(folder)), None)


def is_stand_in(root: str | Path) -> bool:
    """Whether the files in `root` are made up."""
    return (Path(root) / STAND_IN).exists()


def read_seed(folder: Path | None) -> int:
    """The seed of the made-up recordings in a folder; 0 without one."""
    found = re.search(r"seed (\d+)", (folder / STAND_IN).read_text()) if folder else None
    return int(found[1]) if found else 0


def make_stand_in(root: str | Path | None = None, one_khz: bool = False, seed: int = 0) -> Path:
    """Write made-up files of the same names, sizes and format into `root`, and return this folder.

    Without `root` it is a temporary one, gone when Python ends. With `one_khz` the two 1 kHz files come, too (90 MB);
    the 100 Hz values are the means of ten of theirs. Raises BciDataError where real recordings lie already.
    """
    if root is None:
        folder = Path(tempfile.mkdtemp(prefix="stand-in-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    else:
        folder = Path(root)
        if has_recordings(folder) and not is_stand_in(folder):
            raise BciDataError(f"{folder.absolute()} holds recordings that are not made up: name another folder")
        folder.mkdir(parents=True, exist_ok=True)
    (folder / STAND_IN).write_text(f"Made up by dlc_bci.make_stand_in with seed {seed}: nobody's EEG.\n")
    for train, nb in ((True, NB_TRAIN), (False, NB_TEST)):
        fast, labels = make_trials(nb, seed=2 * seed + (not train))
        for values in (average(fast), fast)[: 2 if one_khz else 1]:
            rows = values.reshape(nb, -1)
            if train:
                rows = numpy.column_stack([labels, rows])
            numpy.savetxt(folder / name_file(train, values is fast), rows, fmt="%15.7e")
        if not train:
            numpy.savetxt(folder / LABELS, labels, fmt="%d")
    return folder


def average(fast: numpy.ndarray) -> numpy.ndarray:
    """Trials at 100 Hz (N x 28 x 50), each value the mean of ten at 1 kHz (N x 28 x 500)."""
    return fast.reshape(fast.shape[0], len(CHANNELS), 50, 10).mean(axis=3)


def make_trials(nb: int, seed: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Made-up trials (nb x 28 x 500, microvolts at 1 kHz) and labels (nb).

    Before a movement the potential over the motor cortex falls slowly, more so on the side opposite to the hand: at C3
    for the right hand, at C4 for the left one. A short wave passes on this side too, at any time and of either sign; in
    one of ten trials it passes on the other side. Then there are each electrode's level and drift, of which neighbors
    share a part, a rhythm of about 10 Hz that is weaker on the active side, and noise.
    """
    random = numpy.random.default_rng([559, seed])
    labels = random.permutation(numpy.arange(nb) % 2)
    places = numpy.array([place_channel(name) for name in CHANNELS])
    distances = numpy.linalg.norm(places[:, None] - places[None], axis=2)
    near = numpy.exp(-(distances**2) / 2)
    times = numpy.arange(500) / 1000  # seconds; the key is pressed at 0.63

    sides = numpy.where(labels == 1, "C3", "C4")
    active = near[[CHANNELS.index(side) for side in sides], :, None]  # nb x 28 x 1
    middle = near[CHANNELS.index("Cz"), :, None]
    fall = numpy.clip(times - random.uniform(0.0, 0.25, (nb, 1, 1)), 0, None) / 0.4  # nb x 1 x 500, from about 0 to 1
    strength = random.gamma(2.0, 0.5, (nb, 1, 1))
    trials = -(LATERAL * strength * active + 6 * middle) * fall
    astray = random.random(nb) < ASTRAY
    passed = near[[CHANNELS.index(side) for side in numpy.where((labels == 1) != astray, "C3", "C4")], :, None]
    moment, sign = random.uniform(0.05, 0.45, (nb, 1, 1)), random.choice([-1, 1], (nb, 1, 1))
    phase = (times - moment) / 0.05
    trials += WAVE * sign * passed * phase * numpy.exp((1 - phase**2) / 2)

    mixing = numpy.linalg.cholesky(near + numpy.eye(len(CHANNELS)))
    level = random.normal(size=(nb, len(CHANNELS), 1))
    steps = random.normal(size=(nb, len(CHANNELS), 500)) / math.sqrt(500)
    trials += mixing @ (LEVEL * level + WALK * numpy.cumsum(steps, axis=2))
    frequency, start = random.uniform(9, 12, (nb, 2, 1, 1)), random.uniform(0, 2 * math.pi, (nb, 2, 1, 1))
    rhythm = numpy.sin(2 * math.pi * frequency * times + start)  # one for each hemisphere
    hemispheres = near[[CHANNELS.index("C3"), CHANNELS.index("C4")], :, None]
    loudness = numpy.where(numpy.stack([labels == 1, labels == 0], 1)[:, :, None, None], 0.85, 1.0)
    trials += (RHYTHM * loudness * rhythm * hemispheres).sum(axis=1)
    return trials + NOISE * random.normal(size=trials.shape), labels


def place_channel(name: str) -> tuple[float, float]:
    """Where an electrode is, in steps of the 10-20 system: to the right, to the front."""
    row, column = name.rstrip("z0123456789"), name[-1]
    front = {"F": 2.0, "FC": 1.0, "C": 0.0, "CP": -1.0, "O": -4.0}[row]
    if column == "z":
        return 0.0, front
    side = (int(column) + 1) // 2
    return (-side if int(column) % 2 else side), front


if __name__ == "__main__":
    print(f"Made-up recordings are in {make_stand_in(sys.argv[1] if len(sys.argv) > 1 else 'data')}.")
