"""Training and errors. Everything here sees the training set only, but `compute_error`, which learns nothing."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def train_model(
    model: nn.Module, train_input: Tensor, train_target: Tensor, train_classes: Tensor, nb_epochs: int = 25
) -> None:
    """Train on pairs (N x 2 x 14 x 14), their targets (N) and, if you use them, the classes of their digits (N x 2)."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(nb_epochs):
        for batch in torch.randperm(train_input.size(0)).split(100):
            loss = functional.cross_entropy(model(train_input[batch]), train_target[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def compute_error(model: nn.Module, input: Tensor, target: Tensor) -> float:
    """The part of the pairs, from 0 to 1, that the model gets wrong."""
    with torch.no_grad():
        output = model(input)
    scores = output[0] if isinstance(output, tuple) else output
    return (scores.argmax(1) != target).float().mean().item()


def run_round(model: nn.Module, sets: tuple[Tensor, ...], nb_epochs: int = 25) -> tuple[float, float]:
    """Train a new `model` on the first three of the six tensors; its errors on the training set and on the test set."""
    train_input, train_target, train_classes, test_input, test_target, _ = sets
    mean, std = train_input.mean(), train_input.std()
    train_input, test_input = (train_input - mean) / std, (test_input - mean) / std
    train_model(model, train_input, train_target, train_classes, nb_epochs)
    return compute_error(model, train_input, train_target), compute_error(model, test_input, test_target)
