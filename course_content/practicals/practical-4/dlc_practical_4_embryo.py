"""Practical 4: start from this. The statement is in practical-4.ipynb. Check your work: course-check 4."""

import dlc_practical_prologue as prologue
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Net(nn.Module):
    """Two convolutions and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=5)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=5)
        self.fc1 = nn.Linear(256, 200)
        self.fc2 = nn.Linear(200, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.conv1(x), kernel_size=3))
        x = F.relu(F.max_pool2d(self.conv2(x), kernel_size=2))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def train_model(model: nn.Module, train_input: Tensor, train_target: Tensor, mini_batch_size: int) -> None:
    """The training below as a function (exercise 1)."""
    raise NotImplementedError("exercise 1")


def compute_nb_errors(model: nn.Module, input: Tensor, target: Tensor, mini_batch_size: int) -> int:
    """How many samples have their largest output at another class than their one-hot row (exercise 2)."""
    raise NotImplementedError("exercise 2")


class Net2(nn.Module):
    """A network with three convolutions (exercise 4)."""

    def __init__(self) -> None:
        raise NotImplementedError("exercise 4")


if __name__ == "__main__":
    train_input, train_target, test_input, test_target = prologue.load_data(
        one_hot_labels=True, normalize=True, flatten=False
    )
    train_target = torch.where(train_target > 0, 1.0, -1.0)  # learnt faster than 0 and 1
    model, criterion = Net(), nn.MSELoss()
    eta, mini_batch_size, nb_epochs = 1e-1, 100, 25

    for epoch in range(nb_epochs):
        sum_loss = 0.0
        for b in range(0, train_input.size(0), mini_batch_size):
            output = model(train_input[b : b + mini_batch_size])
            loss = criterion(output, train_target[b : b + mini_batch_size])
            sum_loss += loss.item()
            model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= eta * parameter.grad
        print(epoch, sum_loss)
