#!/usr/bin/env python3
"""Measures how hard a machine's data sets are, with the practicals' own solutions; prints a table for docs/data.md.

    PYTORCH_DATA_DIR=DIR build/course-venv/bin/python scripts/measure_data.py [--rounds 5]

All on the first 1000 training and 1000 test samples, unless a line says otherwise. Some ten minutes on a core.
"""

import argparse
import contextlib
import io
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

CONTENT = Path(__file__).resolve().parents[1] / "course_content"
sys.path[:0] = [str(CONTENT / "prologue"), str(CONTENT / "tools/src")]
sys.path += [str(CONTENT / f"practicals/practical-{number}/solutions") for number in (2, 3, 4)]

import dlc_practical_prologue as prologue  # noqa: E402
import practical_2  # noqa: E402
import practical_3  # noqa: E402
import practical_4  # noqa: E402

Samples = tuple[Tensor, Tensor, Tensor, Tensor]


def main() -> None:
    """Print a line for each method as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="seeds to try, where chance plays a part")
    seeds = range(parser.parse_known_args()[0].rounds)
    for name in ("mnist", "cifar10"):
        print(f"{name}: {prologue.get_data_source(name)}", flush=True)
        compare_neighbours(prologue.load_data(cifar=name == "cifar10"), seeds)
    repeat("784-50-10 perceptron of practical 3", seeds, try_perceptron)
    repeat("convolutional network of practical 4, 25 epochs", seeds, try_practical_4)
    for nb_train in (1000, 10_000):
        repeat(f"small network on {nb_train} pictures, 15 epochs", seeds, lambda n=nb_train: try_pictures(n))


def compare_neighbours(samples: Samples, seeds: range) -> None:
    """Return the nearest neighbour of practical 2: raw, in PCA subspaces, in random ones."""
    mean, basis = practical_2.PCA(samples[0])
    show("nearest neighbour", [practical_2.compute_nb_errors(*samples) / 10])
    for d in (100, 50, 10, 3):
        show(f"in {d} PCA dimensions", [practical_2.compute_nb_errors(*samples, mean, basis[:d]) / 10])
    repeat(
        "in 100 random dimensions",
        seeds,
        lambda: practical_2.compute_nb_errors(*samples, None, torch.randn(100, samples[0].size(1))) / 10,
    )


def repeat(title: str, seeds: range, measure: Callable[[], float]) -> None:
    """Measure with each seed, and show the errors."""
    errors = []
    for seed in seeds:
        torch.manual_seed(seed)
        with contextlib.redirect_stdout(io.StringIO()):
            errors.append(measure())
    show(title, errors)


def show(title: str, errors: list[float]) -> None:
    """Return a line of the table: test errors in percent."""
    spread = f" ({min(errors):.1f} to {max(errors):.1f})" if len(errors) > 1 else ""
    print(f"| {title} | {statistics.mean(errors):.1f}{spread} |", flush=True)


def try_perceptron() -> float:
    """Practical 3, a thousand steps."""
    train_input, train_target, test_input, test_target = prologue.load_data(one_hot_labels=True, normalize=True)
    model = practical_3.BatchedPerceptron(train_input.size(1), 50, 10, "cpu")
    for _ in range(practical_3.NB_STEPS):
        model.accumulate(train_input, practical_3.ZETA * train_target)
        model.step(0.1 / train_input.size(0))
    return 100 * int(model.count_errors(test_input, test_target)) / test_input.size(0)


def try_practical_4() -> float:
    """Practical 4, one round of 25 epochs."""
    train_input, train_target, test_input, test_target = prologue.load_data(
        one_hot_labels=True, normalize=True, flatten=False
    )
    model = practical_4.Net()
    practical_4.train_model(model, train_input, 2 * train_target - 1, practical_4.BATCH_SIZE)
    nb_errors = practical_4.compute_nb_errors(model, test_input, test_target, practical_4.BATCH_SIZE)
    return 100 * nb_errors / test_input.size(0)


def try_pictures(nb_train: int) -> float:
    """Three convolutions, cross-entropy, Adam, batches of 50: what a student would try first on CIFAR10."""
    train_input, train_target, test_input, test_target = prologue.read_cifar()
    train_input, train_target = train_input[:nb_train].float(), train_target[:nb_train]
    mean, std = train_input.mean(), train_input.std()
    model = nn.Sequential(
        *(nn.Conv2d(3, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(1024, 100), nn.ReLU(), nn.Linear(100, 10)),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(15):
        for batch in torch.randperm(nb_train).split(50):
            loss = functional.cross_entropy(model((train_input[batch] - mean) / std), train_target[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        outputs = model((test_input[:1000].float() - mean) / std)
    return 100 * float((outputs.argmax(1) != test_target[:1000]).float().mean())


if __name__ == "__main__":
    main()
