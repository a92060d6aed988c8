"""Training and errors of the networks in models.py."""

import torch
from torch import Tensor, nn
from torch.nn import functional

NB_EPOCHS = 25
BATCH = 100


def normalize(train_input: Tensor, *others: Tensor) -> list[Tensor]:
    """The inputs, minus the mean and divided by the standard deviation of the first."""
    mean, std = train_input.mean(), train_input.std()
    return [(input - mean) / std for input in (train_input, *others)]


def train_model(
    model: nn.Module, input: Tensor, target: Tensor, classes: Tensor, auxiliary: float = 0.0, nb_epochs: int = NB_EPOCHS
) -> None:
    """Learn the target (N); the loss of the digits' classes (N x 2) counts `auxiliary` times."""
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(nb_epochs):
        for batch in torch.randperm(input.size(0), device=input.device).split(BATCH):
            output, digits = model(input[batch])
            loss = functional.cross_entropy(output, target[batch])
            if auxiliary:
                loss = loss + auxiliary * functional.cross_entropy(digits.flatten(0, 1), classes[batch].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


@torch.no_grad()
def compute_error(model: nn.Module, input: Tensor, target: Tensor) -> float:
    """The part of the pairs for which the larger score is not at the target."""
    output, _ = model(input)
    return (output.argmax(1) != target).float().mean().item()
