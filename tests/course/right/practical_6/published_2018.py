import dlc_practical_prologue as prologue
import torch
from torch import nn
from torch.nn import functional as F


class ResNetBlock(nn.Module):
    def __init__(self, nb_channels, kernel_size, skip_connections=True, batch_normalization=True):
        super(ResNetBlock, self).__init__()
        self.conv1 = nn.Conv2d(nb_channels, nb_channels, kernel_size=kernel_size, padding=(kernel_size - 1) // 2)
        self.bn1 = nn.BatchNorm2d(nb_channels)
        self.conv2 = nn.Conv2d(nb_channels, nb_channels, kernel_size=kernel_size, padding=(kernel_size - 1) // 2)
        self.bn2 = nn.BatchNorm2d(nb_channels)
        self.skip_connections = skip_connections
        self.batch_normalization = batch_normalization

    def forward(self, x):
        y = self.conv1(x)
        if self.batch_normalization:
            y = self.bn1(y)
        y = F.relu(y)
        y = self.conv2(y)
        if self.batch_normalization:
            y = self.bn2(y)
        if self.skip_connections:
            y = y + x
        y = F.relu(y)
        return y


class ResNet(nn.Module):
    def __init__(self, nb_residual_blocks, nb_channels, kernel_size=3, nb_classes=10,
                 skip_connections=True, batch_normalization=True):  # fmt: skip
        super(ResNet, self).__init__()
        self.batch_normalization = batch_normalization
        self.conv = nn.Conv2d(3, nb_channels, kernel_size=kernel_size, padding=(kernel_size - 1) // 2)
        self.bn = nn.BatchNorm2d(nb_channels)
        self.resnet_blocks = nn.Sequential(
            *(ResNetBlock(nb_channels, kernel_size, skip_connections, batch_normalization)
              for _ in range(nb_residual_blocks))
        )  # fmt: skip
        self.fc = nn.Linear(nb_channels, nb_classes)

    def forward(self, x):
        x = self.conv(x)
        if self.batch_normalization:
            x = self.bn(x)
        x = F.relu(x)
        x = self.resnet_blocks(x)
        x = F.avg_pool2d(x, 32).view(x.size(0), -1)
        x = self.fc(x)
        return x


def get_stats(skip_connections, batch_normalization):
    model = ResNet(nb_residual_blocks=30, nb_channels=10, kernel_size=3, nb_classes=10,
                   skip_connections=skip_connections, batch_normalization=batch_normalization)  # fmt: skip
    criterion = nn.CrossEntropyLoss()
    monitored_parameters = [b.conv1.weight for b in model.resnet_blocks]
    result = torch.Tensor(len(monitored_parameters), 100)
    for n in range(0, 100):
        output = model(train_input.narrow(0, n, 1))
        loss = criterion(output, train_target.narrow(0, n, 1))
        model.zero_grad()
        loss.backward()
        for d, p in enumerate(monitored_parameters):
            result[d, n] = p.grad.norm()
    return result


train_input, train_target, test_input, test_target = prologue.load_data(cifar=True, normalize=True, flatten=False)
