"""Mini-project "pairs": reference solution. What weight sharing and an auxiliary loss are worth.

python test.py [--tiny] [--device cuda] [--seed N] [--json FILE]
"""

import time

import dlc_practical_prologue as prologue
import torch
from course_tools import report
from models import PairNet, count_parameters
from torch import Tensor
from training import NB_EPOCHS, compute_error, normalize, train_model

# Name: whether the digits share their weights, and how much the loss of their classes counts.
SETTINGS = {"plain": (False, 0.0), "sharing": (True, 0.0), "auxiliary": (False, 1.0), "both": (True, 1.0)}


def run_round(name: str, sets: tuple[Tensor, ...], seed: int, nb_epochs: int = NB_EPOCHS) -> tuple[float, float, int]:
    """Train a new network on the first three of six tensors: its train error, test error, number of parameters."""
    train_input, train_target, train_classes, test_input, test_target, _ = sets
    train_input, test_input = normalize(train_input, test_input)
    sharing, auxiliary = SETTINGS[name]
    torch.manual_seed(seed)
    model = PairNet(sharing).to(train_input.device)
    train_model(model, train_input, train_target, train_classes, auxiliary, nb_epochs)
    train_error = compute_error(model, train_input, train_target)
    return train_error, compute_error(model, test_input, test_target), count_parameters(model)


def main() -> None:
    options = report.parse(__doc__)
    nb_pairs, nb_rounds, nb_epochs = (200, 2, 2) if options.tiny else (1000, 10, NB_EPOCHS)
    if options.device == "cpu":
        torch.set_num_threads(1)  # networks this small only lose time when several threads share them

    train_errors: dict[str, list[float]] = {name: [] for name in SETTINGS}
    test_errors: dict[str, list[float]] = {name: [] for name in SETTINGS}
    seconds: list[float] = []
    sizes = {}
    for round in range(nb_rounds):
        torch.manual_seed(options.seed + round)
        sets = tuple(tensor.to(options.device) for tensor in prologue.generate_pair_sets(nb_pairs))
        for name in SETTINGS:
            start = time.perf_counter()
            train_error, test_error, sizes[name] = run_round(name, sets, options.seed + round, nb_epochs)
            seconds.append(time.perf_counter() - start)
            train_errors[name].append(train_error)
            test_errors[name].append(test_error)
        print(
            f"round {round + 1}: " + ", ".join(f"{name} {test_errors[name][-1]:.1%}" for name in SETTINGS), flush=True
        )

    print(f"\ntest error in percent, mean and standard deviation of {nb_rounds} rounds with {nb_pairs} pairs each")
    means, stds = {}, {}
    for name in SETTINGS:
        errors = 100 * torch.tensor(test_errors[name])
        means[name], stds[name] = errors.mean().item(), errors.std().item()
        train = 100 * sum(train_errors[name]) / nb_rounds
        print(f"{name:10} {means[name]:5.1f} +- {stds[name]:.1f}   train {train:4.1f}   {sizes[name]} parameters")
    print(f"{sum(seconds) / len(seconds):.1f} s to train one network for {nb_epochs} epochs")

    report.write(
        options,
        project="pairs",
        data=prologue.get_data_source("mnist"),
        nb_rounds=nb_rounds,
        nb_parameters=sizes,
        mean=means,
        std=stds,
        seconds_per_training=sum(seconds) / len(seconds),
    )


if __name__ == "__main__":
    main()
