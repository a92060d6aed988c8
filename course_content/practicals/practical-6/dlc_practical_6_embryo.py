"""Practical 6: start from this. The statement is in practical-6.ipynb. Check your work: course-check 6."""

import dlc_practical_prologue as prologue
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResNetBlock(nn.Module):
    """Two convolutions that keep the size, with a skip connection around them."""

    def __init__(self, nb_channels: int, kernel_size: int) -> None:
        super().__init__()
        padding = (kernel_size - 1) // 2
        self.conv1 = nn.Conv2d(nb_channels, nb_channels, kernel_size, padding=padding)
        self.bn1 = nn.BatchNorm2d(nb_channels)
        self.conv2 = nn.Conv2d(nb_channels, nb_channels, kernel_size, padding=padding)
        self.bn2 = nn.BatchNorm2d(nb_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + x)


class ResNet(nn.Module):
    """A convolution, `nb_residual_blocks` blocks, the mean over each channel of 32 x 32, a linear layer."""

    def __init__(self, nb_residual_blocks: int, nb_channels: int, kernel_size: int = 3, nb_classes: int = 10) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, nb_channels, kernel_size, padding=(kernel_size - 1) // 2)
        self.bn = nn.BatchNorm2d(nb_channels)
        self.resnet_blocks = nn.Sequential(*(ResNetBlock(nb_channels, kernel_size) for _ in range(nb_residual_blocks)))
        self.fc = nn.Linear(nb_channels, nb_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.resnet_blocks(F.relu(self.bn(self.conv(x))))
        return self.fc(F.avg_pool2d(x, 32).flatten(1))


def get_stats(skip_connections: bool, batch_normalization: bool) -> Tensor:
    """The norm of the gradient of each block's first convolution, for each of 100 samples: 30 x 100."""
    raise NotImplementedError("exercise 2")


if __name__ == "__main__":
    from matplotlib import pyplot

    train_input, train_target, _, _ = prologue.load_data(cifar=True, normalize=True, flatten=False)
    model = ResNet(nb_residual_blocks=30, nb_channels=10)
    print(sum(parameter.numel() for parameter in model.parameters()), "parameters")

    # An example of a plot with a logarithmic axis: the norm of each block's first weights.
    norms = [block.conv1.weight.norm().item() for block in model.resnet_blocks]
    figure, axes = pyplot.subplots()
    axes.plot(norms, label="weights")
    axes.set(xlabel="depth", ylabel="norm", yscale="log")
    axes.legend()
    figure.savefig("practical_6.png")
