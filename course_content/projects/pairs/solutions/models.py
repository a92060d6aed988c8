"""Networks that tell whether the first digit of a pair is not larger than the second."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class DigitNet(nn.Module):
    """One digit (N x 1 x 14 x 14) to ten scores: two convolutions and two layers."""

    def __init__(self, nb_channels: int, nb_hidden: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, nb_channels, kernel_size=3)
        self.conv2 = nn.Conv2d(nb_channels, 2 * nb_channels, kernel_size=3)
        self.fc1 = nn.Linear(4 * 2 * nb_channels, nb_hidden)
        self.fc2 = nn.Linear(nb_hidden, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(functional.max_pool2d(self.conv1(x), 2))  # C x 6 x 6
        x = functional.relu(functional.max_pool2d(self.conv2(x), 2))  # 2C x 2 x 2
        return self.fc2(functional.relu(self.fc1(x.flatten(1))))


class PairNet(nn.Module):
    """Ten scores for each digit, and a small network that compares them.

    With `sharing` both digits go through the same DigitNet, else each has its own, which is narrower, so that the
    numbers of parameters are about the same.
    """

    def __init__(self, sharing: bool) -> None:
        super().__init__()
        self.digits = nn.ModuleList([DigitNet(36, 144)] if sharing else [DigitNet(28, 80), DigitNet(28, 80)])
        self.compare1 = nn.Linear(20, 128)
        self.compare2 = nn.Linear(128, 2)

    def forward(self, input: Tensor) -> tuple[Tensor, Tensor]:
        """From N x 2 x 14 x 14: the scores of "larger" and "not larger" (N x 2), those of the digits (N x 2 x 10)."""
        first, second = self.digits[0](input[:, :1]), self.digits[-1](input[:, 1:])
        hidden = functional.relu(self.compare1(functional.relu(torch.cat([first, second], 1))))
        return self.compare2(hidden), torch.stack([first, second], 1)


def count_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
