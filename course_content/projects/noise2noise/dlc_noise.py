"""The pictures of the noise2noise project: `import dlc_noise`.

`load_train` gives pairs of noisy pictures: two independent noises on the same clean picture, which nobody sees.
`load_val` gives noisy pictures and the clean ones, to measure with. All are N x 3 x 32 x 32, of uint8, from 0 to 255.

The files train_data.pkl and val_data.pkl hold such pairs; `torch.load` reads them. Where there are none, they are made
when they are first used, within seconds: from CIFAR-10 where `course-data status` shows it, else from drawn shapes. The
noise is Gaussian, of standard deviation 30.
"""

import os
from pathlib import Path

import dlc_practical_prologue as prologue
import torch
from torch import Tensor

NAMES = {"train": "train_data.pkl", "val": "val_data.pkl"}
NB = {"train": 2000, "val": 200}
NB_TINY = {"train": 100, "val": 20}
STD = 30.0


def load_train() -> tuple[Tensor, Tensor]:
    """Two noisy versions of each of the pictures to learn from (2000; 100 with COURSE_TINY=1)."""
    return load("train")


def load_val() -> tuple[Tensor, Tensor]:
    """Noisy pictures and the clean ones (200; 20 with COURSE_TINY=1)."""
    return load("val")


def load(part: str) -> tuple[Tensor, Tensor]:
    """The pair of one of the files, which is made where there is none."""
    tiny = bool(os.environ.get("COURSE_TINY"))
    path = next((folder / NAMES[part] for folder in list_folders() if (folder / NAMES[part]).is_file()), None)
    if path is not None:
        first, second = torch.load(path)
        nb = NB_TINY[part] if tiny else len(first)
        return first[:nb], second[:nb]
    pair = make(part, (NB_TINY if tiny else NB)[part])
    if not tiny:
        keep(pair, part)
    return pair


def list_folders() -> list[Path]:
    """Where the files may be: ./data, or noise2noise in the course's data folders."""
    home = os.environ.get("HOME", "/")
    course = [os.environ.get("PYTORCH_DATA_DIR"), f"{home}/.local/share/course-data", "/opt/course/data"]
    return [Path("data"), *(Path(folder) / "noise2noise" for folder in course if folder)]


def keep(pair: tuple[Tensor, Tensor], part: str) -> None:
    """Write a pair into your own data folder for the next time; without room it is made again."""
    folder = Path(os.environ.get("HOME", "/")) / ".local/share/course-data/noise2noise"
    beside = folder / f"{NAMES[part]}.part{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(pair, beside)
        beside.replace(folder / NAMES[part])
    except OSError:
        beside.unlink(missing_ok=True)


def make(part: str, nb: int) -> tuple[Tensor, Tensor]:
    """A pair of `nb` pictures, of other clean pictures for each `part`."""
    clean = take_clean(part, nb)
    generator = torch.Generator().manual_seed(list(NAMES).index(part))
    noisy = add_noise(clean, generator)
    return noisy, (add_noise(clean, generator) if part == "train" else clean)


def add_noise(clean: Tensor, generator: torch.Generator) -> Tensor:
    """The pictures with noise of their own: rounded, and cut off below 0 and above 255."""
    noise = STD * torch.randn(clean.shape, generator=generator)
    return (clean + noise).round().clamp(0, 255).to(torch.uint8)


def take_clean(part: str, nb: int) -> Tensor:
    """`nb` clean pictures, N x 3 x 32 x 32 of uint8: of CIFAR-10, else drawn."""
    folder = prologue.get_data_dir("cifar10") / "cifar10/cifar-10-batches-py"
    path = folder / ("data_batch_1" if part == "train" else "test_batch")
    if path.is_file():
        return prologue.read_cifar_batch(path)[0][:nb].clone()
    import numpy
    from course_tools.datasets import pictures

    drawn, _ = pictures.make(nb, numpy.random.default_rng(list(NAMES).index(part)), lambda done: None)
    return torch.from_numpy(drawn)


def compute_psnr(output: Tensor, clean: Tensor) -> float:
    """The peak signal-to-noise ratio in dB of pictures from 0 to 255, averaged over the pictures: larger is better."""
    error = ((output.float() - clean.float()) / 255).pow(2).flatten(1).mean(1)
    return (-10 * torch.log10(error + 1e-10)).mean().item()
