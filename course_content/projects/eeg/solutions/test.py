"""Mini-project "eeg": reference solution. Logistic regression, a small 1-D convolutional network, and dropout.

python test.py [--tiny] [--one_khz] [--device cuda] [--seed N] [--json FILE]
"""

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from course_tools import report
from models import ConvNet, Logistic
from torch import Tensor, nn
from torch.nn import functional

sys.path.append(str(Path(__file__).resolve().parent.parent))  # dlc_bci.py is beside the starter

import dlc_bci

BATCH = 32

# Name: a new network, its number of epochs, its learning rate, its weight decay.
SETTINGS: dict[str, tuple[Callable[[int], nn.Module], int, float, float]] = {
    "logistic": (Logistic, 50, 1e-3, 1e-2),
    "convnet": (lambda nb_times: ConvNet(0.0, nb_times), 80, 1e-3, 1e-2),
    "convnet, dropout": (lambda nb_times: ConvNet(0.5, nb_times), 80, 1e-3, 1e-2),
}


def normalize(train_input: Tensor, test_input: Tensor) -> tuple[Tensor, Tensor]:
    """Both inputs, each channel minus its mean in the training set and divided by its standard deviation there."""
    mean, std = train_input.mean((0, 2), keepdim=True), train_input.std((0, 2), keepdim=True)
    return (train_input - mean) / std, (test_input - mean) / std


def train_model(
    model: nn.Module, input: Tensor, target: Tensor, nb_epochs: int, lr: float, weight_decay: float
) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, weight_decay=weight_decay)
    model.train()
    for _ in range(nb_epochs):
        for batch in torch.randperm(input.size(0), device=input.device).split(BATCH):
            loss = functional.cross_entropy(model(input[batch]), target[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


@torch.no_grad()
def compute_error(model: nn.Module, input: Tensor, target: Tensor) -> float:
    """The part of the trials that the model gets wrong, without dropout."""
    model.eval()
    return (model(input).argmax(1) != target).float().mean().item()


def main() -> None:
    options = report.parse(__doc__)
    if options.device == "cpu":
        torch.set_num_threads(1)  # networks this small only lose time when several threads share them
    nb_rounds = 1 if options.tiny else 10
    one_khz = "--one_khz" in sys.argv
    root = dlc_bci.find_root() or dlc_bci.make_stand_in(seed=options.seed)
    train_input, train_target = dlc_bci.load(root, one_khz=one_khz)
    test_input, test_target = dlc_bci.load(root, train=False, one_khz=one_khz)
    train_input, test_input = normalize(train_input.to(options.device), test_input.to(options.device))
    train_target, test_target = train_target.to(options.device), test_target.to(options.device)

    nb_times = train_input.size(2)
    means, stds, train_means = {}, {}, {}
    for name, (make_model, nb_epochs, lr, weight_decay) in SETTINGS.items():
        errors = []
        for round in range(nb_rounds):
            torch.manual_seed(options.seed + round)
            model = make_model(nb_times).to(options.device)
            train_model(model, train_input, train_target, 10 if options.tiny else nb_epochs, lr, weight_decay)
            errors.append(
                [compute_error(model, train_input, train_target), compute_error(model, test_input, test_target)]
            )
        rounds = 100 * torch.tensor(errors)
        train_means[name], means[name] = rounds.mean(0).tolist()
        stds[name] = rounds[:, 1].std(correction=min(1, nb_rounds - 1)).item()
        size = sum(parameter.numel() for parameter in model.parameters())
        print(f"{name:17} test {means[name]:5.1f} +- {stds[name]:.1f} %  train {train_means[name]:4.1f} %", end="")
        print(f"  ({nb_rounds} rounds, {size} parameters)", flush=True)

    report.write(
        options,
        project="eeg",
        data="stand-in" if dlc_bci.is_stand_in(root) else "real",
        nb_rounds=nb_rounds,
        mean=means,
        std=stds,
        train=train_means,
    )


if __name__ == "__main__":
    main()
