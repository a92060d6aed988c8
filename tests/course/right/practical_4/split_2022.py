import torch
from torch import nn
from torch.nn import functional as F


NB_EPOCHS = 25
ETA = 1e-1


class Net(nn.Module):
    def __init__(self, nb_hidden=200):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=5)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=5)
        self.fc1 = nn.Linear(256, nb_hidden)
        self.fc2 = nn.Linear(nb_hidden, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), kernel_size=3, stride=3))
        x = F.relu(F.max_pool2d(self.conv2(x), kernel_size=2, stride=2))
        x = F.relu(self.fc1(x.view(-1, 256)))
        x = self.fc2(x)
        return x


class Net2(nn.Module):
    def __init__(self, nb_hidden=100):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Linear(256, nb_hidden), nn.Tanh(), nn.Linear(nb_hidden, 10))

    def forward(self, x):
        return self.classifier(self.features(x).flatten(start_dim=1))


def train_model(model, train_input, train_target, mini_batch_size):
    for epoch in range(NB_EPOCHS):
        total = 0.0
        for x, t in zip(train_input.split(mini_batch_size), train_target.split(mini_batch_size)):
            loss = F.mse_loss(model(x), t)
            model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for p in model.parameters():
                    p.sub_(ETA * p.grad)
            total += loss.item()


def compute_nb_errors(model, input, target, mini_batch_size):
    errors = 0
    for x, t in zip(input.split(mini_batch_size), target.split(mini_batch_size)):
        errors += (model(x).argmax(1) != t.argmax(1)).sum().item()
    return errors
