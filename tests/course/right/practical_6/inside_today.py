import torch
from torch import nn
from torch.nn import functional as F


class ResNetBlock(nn.Module):
    def __init__(self, nb_channels, kernel_size, skip_connections=True, batch_normalization=True):
        super().__init__()
        norm = nn.BatchNorm2d if batch_normalization else nn.Identity
        self.conv1 = nn.Conv2d(nb_channels, nb_channels, kernel_size, padding="same")
        self.bn1 = norm(nb_channels)
        self.conv2 = nn.Conv2d(nb_channels, nb_channels, kernel_size, padding="same")
        self.bn2 = norm(nb_channels)
        self.skip = float(skip_connections)

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.skip * x)


class ResNet(nn.Module):
    def __init__(self, nb_residual_blocks, nb_channels, kernel_size=3, nb_classes=10, *,
                 skip_connections=True, batch_normalization=True):  # fmt: skip
        super().__init__()
        norm = nn.BatchNorm2d if batch_normalization else nn.Identity
        self.first = nn.Sequential(nn.Conv2d(3, nb_channels, kernel_size, padding="same"), norm(nb_channels), nn.ReLU())
        self.blocks = nn.ModuleList()
        for _ in range(nb_residual_blocks):
            self.blocks.append(ResNetBlock(nb_channels, kernel_size, skip_connections, batch_normalization))
        self.fc = nn.Linear(nb_channels, nb_classes)

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean(dim=(2, 3)))


def get_stats(skip_connections, batch_normalization):
    import dlc_practical_prologue as prologue

    x, t = prologue.read_cifar()[:2]
    x = x[:100].float()
    x = (x - x.mean()) / x.std()
    model = ResNet(30, 10, skip_connections=skip_connections, batch_normalization=batch_normalization)
    norms = []
    for n in range(100):
        model.zero_grad()
        nn.CrossEntropyLoss()(model(x[n : n + 1]), t[n : n + 1]).backward()
        norms.append([block.conv1.weight.grad.pow(2).sum().sqrt().item() for block in model.blocks])
    return torch.tensor(norms).t()
