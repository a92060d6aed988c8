"""A network that removes noise, made with a framework of your own: no torch.nn, no autograd."""

from pathlib import Path

import torch
from torch import Tensor

BEST = Path(__file__).with_name("bestmodel.pth")


class Model:
    """Keep the class and its methods: a grader calls them. To do: a network of your own modules, and its training."""

    def __init__(self) -> None:
        self.strength = torch.zeros(1)  # how much a picture is blurred: not a network yet

    def train(self, train_input: Tensor, train_target: Tensor, num_epochs: int = 3) -> None:
        """Learn to predict one noisy version from the other (N x 3 x 32 x 32 each, from 0 to 255)."""
        x, target = train_input.float(), train_target.float()
        change = blur(x) - x
        self.strength = ((target - x) * change).sum().view(1) / change.pow(2).sum()  # least squares

    def predict(self, x: Tensor) -> Tensor:
        """Return the pictures `x` (N x 3 x 32 x 32, from 0 to 255) without the noise, from 0 to 255."""
        x = x.float()
        return (x + self.strength * (blur(x) - x)).clamp(0, 255)

    def save(self) -> None:
        """Write what was learned into bestmodel.pth."""
        torch.save({"strength": self.strength}, BEST)

    def load_pretrained_model(self) -> None:
        """Read bestmodel.pth."""
        self.strength = torch.load(BEST)["strength"]


def blur(x: Tensor) -> Tensor:
    """The mean of each pixel and its four neighbors; around a picture its other side goes on."""
    return (x + x.roll(1, 2) + x.roll(-1, 2) + x.roll(1, 3) + x.roll(-1, 3)) / 5
