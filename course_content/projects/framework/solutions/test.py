"""Mini-project "framework": reference solution. A 2 - 25 - 25 - 25 - 2 network, learned without autograd.

python test.py [--tiny] [--device cuda] [--seed N] [--json FILE]
"""

import math

import torch
from course_tools import report
from framework import SGD, Linear, LossMSE, Module, ReLU, Sequential, Tanh
from torch import Tensor

RADIUS = 1 / math.sqrt(2 * math.pi)  # the disc is half of the square
BATCH = 50
NB, NB_EPOCHS = 1000, 250  # points in each set


def generate_disc_set(nb: int, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """`nb` points, uniform in [0, 1]^2 (nb x 2), and their labels (nb): 1 inside the disc around (0.5, 0.5), else 0."""
    input = torch.empty(nb, 2, device=device).uniform_(0, 1)
    return input, ((input - 0.5).pow(2).sum(1) < RADIUS**2).long()


def convert_to_one_hot(target: Tensor) -> Tensor:
    """Labels (N) as rows (N x 2): 1 at the label, 0 elsewhere."""
    return torch.stack([1 - target, target], 1).float()


def make_model() -> Sequential:
    """Three hidden layers of 25 units, the first two with ReLU, the last with tanh: 1427 parameters."""
    return Sequential(Linear(2, 25), ReLU(), Linear(25, 25), ReLU(), Linear(25, 25), Tanh(), Linear(25, 2))


def train_model(model: Module, input: Tensor, target: Tensor, nb_epochs: int, lr: float = 0.1) -> list[float]:
    """Learn by gradient descent on mini-batches; returns the mean loss of each epoch."""
    loss, optimizer, history = LossMSE(), SGD(model.param(), lr), []
    rows = convert_to_one_hot(target)
    for _ in range(nb_epochs):
        total = 0.0
        order = torch.randperm(input.size(0), device=input.device)
        for batch in order.split(BATCH):
            output = model.forward(input[batch])
            total += loss.forward(output, rows[batch]).item() * batch.numel()
            model.zero_grad()
            model.backward(loss.backward())
            optimizer.step()
        history.append(total / input.size(0))
    return history


def compute_error(model: Module, input: Tensor, target: Tensor) -> float:
    """The part of the samples whose largest output is not at the label."""
    return (model.forward(input).argmax(1) != target).float().mean().item()


def main() -> None:
    options = report.parse(__doc__)
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)  # tensors this small only lose time when several threads share them
    torch.manual_seed(options.seed)
    nb, nb_epochs = (300, 20) if options.tiny else (NB, NB_EPOCHS)

    train_input, train_target = generate_disc_set(nb, options.device)
    test_input, test_target = generate_disc_set(nb, options.device)
    mean, std = train_input.mean(), train_input.std()
    train_input, test_input = (train_input - mean) / std, (test_input - mean) / std

    torch.set_default_device(options.device)
    model = make_model()
    history = train_model(model, train_input, train_target, nb_epochs)
    for epoch in range(0, nb_epochs, max(1, nb_epochs // 10)):
        print(f"epoch {epoch:3d}  loss {history[epoch]:.4f}")
    train_error = compute_error(model, train_input, train_target)
    test_error = compute_error(model, test_input, test_target)
    print(f"train error {train_error:.2%}, test error {test_error:.2%} on {nb} + {nb} points")

    report.write(
        options,
        project="framework",
        nb_parameters=sum(parameter.numel() for parameter, _ in model.param()),
        losses=[history[0], history[-1]],
        train_error=train_error,
        test_error=test_error,
    )


if __name__ == "__main__":
    main()
