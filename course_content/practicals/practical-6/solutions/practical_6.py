"""Practical 6, norms of gradients in residual networks: reference solution."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NB_BLOCKS = 30
NB_CHANNELS = 10
NB_SAMPLES = 100
SETTINGS = ((True, True), (True, False), (False, True), (False, False))
"""skip_connections, batch_normalization."""


class ResNetBlock(nn.Module):
    """Two convolutions that keep the size, around which a skip connection leads unless it is switched off."""

    def __init__(
        self, nb_channels: int, kernel_size: int, skip_connections: bool = True, batch_normalization: bool = True
    ) -> None:
        super().__init__()
        padding = (kernel_size - 1) // 2
        self.conv1 = nn.Conv2d(nb_channels, nb_channels, kernel_size, padding=padding)
        self.bn1 = nn.BatchNorm2d(nb_channels) if batch_normalization else nn.Identity()
        self.conv2 = nn.Conv2d(nb_channels, nb_channels, kernel_size, padding=padding)
        self.bn2 = nn.BatchNorm2d(nb_channels) if batch_normalization else nn.Identity()
        self.skip_connections = skip_connections

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + x if self.skip_connections else y)


class ResNet(nn.Module):
    """A convolution, `nb_residual_blocks` blocks, the mean over each channel of 32 x 32, a linear layer."""

    def __init__(
        self,
        nb_residual_blocks: int,
        nb_channels: int,
        kernel_size: int = 3,
        nb_classes: int = 10,
        skip_connections: bool = True,
        batch_normalization: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, nb_channels, kernel_size, padding=(kernel_size - 1) // 2)
        self.bn = nn.BatchNorm2d(nb_channels) if batch_normalization else nn.Identity()
        self.resnet_blocks = nn.Sequential(
            *(
                ResNetBlock(nb_channels, kernel_size, skip_connections, batch_normalization)
                for _ in range(nb_residual_blocks)
            )
        )
        self.fc = nn.Linear(nb_channels, nb_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.resnet_blocks(F.relu(self.bn(self.conv(x))))
        return self.fc(F.avg_pool2d(x, 32).flatten(1))


def load_train_set(device: str = "cpu") -> tuple[Tensor, Tensor]:
    """The training images (N x 3 x 32 x 32), of mean 0 and standard deviation 1 over all, and their classes."""
    import dlc_practical_prologue as prologue

    input, target, _, _ = prologue.load_data(cifar=True, normalize=True, flatten=False)
    return input.to(device), target.to(device)


def get_stats(
    skip_connections: bool,
    batch_normalization: bool,
    nb_samples: int = NB_SAMPLES,
    train_set: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """The norm of the gradient of each block's first convolution, for each sample alone: 30 x `nb_samples`."""
    input, target = load_train_set() if train_set is None else train_set
    model = ResNet(
        NB_BLOCKS, NB_CHANNELS, skip_connections=skip_connections, batch_normalization=batch_normalization
    ).to(input.device)
    criterion = nn.CrossEntropyLoss()
    norms = torch.empty(NB_BLOCKS, nb_samples)
    for sample in range(nb_samples):
        loss = criterion(model(input[sample : sample + 1]), target[sample : sample + 1])
        model.zero_grad()
        loss.backward()
        gradients = [block.conv1.weight.grad for block in model.resnet_blocks]
        norms[:, sample] = torch.stack([gradient.norm() for gradient in gradients])
    return norms


def name_setting(skip_connections: bool, batch_normalization: bool) -> str:
    """What the results call a setting."""
    parts = ["skip"] * skip_connections + ["batch normalization"] * batch_normalization
    return " + ".join(parts) or "neither"


def plot(norms: dict[str, Tensor], path: Path) -> None:
    """Draw the mean norms over the depth, on a logarithmic axis."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 5))
    for name, values in norms.items():
        axes.plot(range(1, len(values) + 1), values.mean(1).clamp(min=1e-30), label=name)
    axes.set(xlabel="depth (block)", ylabel="mean norm of the gradient", yscale="log")
    axes.legend()
    figure.savefig(path)


def main() -> None:
    """Compute the norms for the four settings, print some of them and draw all."""
    import dlc_practical_prologue as prologue
    from course_tools import report

    options = report.parse(__doc__)
    torch.manual_seed(options.seed)
    train_set = load_train_set(options.device)
    nb_samples = 8 if options.tiny else NB_SAMPLES

    norms = {}
    print("setting                     block 1    block 15   block 30")
    for setting in SETTINGS:
        name = name_setting(*setting)
        norms[name] = get_stats(*setting, nb_samples, train_set)
        means = norms[name].mean(1)
        print(f"{name:26} {means[0]:9.2e}   {means[14]:9.2e}  {means[29]:9.2e}", flush=True)
    plot(norms, (options.json or Path("practical_6")).with_suffix(".png"))
    means = {name: values.mean(1).tolist() for name, values in norms.items()}
    report.write(options, practical=6, data=prologue.get_data_source("cifar10"), nb_samples=nb_samples, means=means)


if __name__ == "__main__":
    main()
