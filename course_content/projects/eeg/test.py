"""Mini-project "eeg": which hand is about to press a key? A grader runs `python test.py`, without arguments."""

import os

import dlc_bci
import torch
from models import Baseline
from torch import Tensor, nn
from torch.nn import functional

torch.set_num_threads(1)  # networks this small only lose time when several threads share them
torch.manual_seed(0)

NB_EPOCHS = 5 if os.environ.get("COURSE_TINY") else 50  # COURSE_TINY=1 python test.py: a quick try


def train_model(model: nn.Module, train_input: Tensor, train_target: Tensor) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    for _ in range(NB_EPOCHS):
        for batch in torch.randperm(train_input.size(0)).split(50):
            loss = functional.cross_entropy(model(train_input[batch]), train_target[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def compute_error(model: nn.Module, input: Tensor, target: Tensor) -> float:
    """The part of the trials, from 0 to 1, that the model gets wrong."""
    with torch.no_grad():
        return (model(input).argmax(1) != target).float().mean().item()


train_input, train_target = dlc_bci.load("data")
test_input, test_target = dlc_bci.load("data", train=False)
mean, std = train_input.mean(), train_input.std()
train_input, test_input = (train_input - mean) / std, (test_input - mean) / std

model = Baseline()
train_model(model, train_input, train_target)
train_error = compute_error(model, train_input, train_target)
test_error = compute_error(model, test_input, test_target)
print(f"baseline: train error {train_error:.1%}, test error {test_error:.1%}")

# To do: your networks, several rounds of each, and the mean and the standard deviation of their errors.
