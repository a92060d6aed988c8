import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Sequential):
    def __init__(self, nb_hidden: int = 200) -> None:
        super().__init__(
            nn.Conv2d(1, 32, 5), nn.MaxPool2d(3), nn.ReLU(),
            nn.Conv2d(32, 64, 5), nn.MaxPool2d(2), nn.ReLU(),
            nn.Flatten(), nn.Linear(256, nb_hidden), nn.ReLU(), nn.Linear(nb_hidden, 10),
        )  # fmt: skip


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


def train_model(model: nn.Module, train_input: Tensor, train_target: Tensor, mini_batch_size: int) -> list[float]:
    loader = DataLoader(TensorDataset(train_input, train_target), batch_size=mini_batch_size, shuffle=True)
    losses = []
    model.train()
    for _ in range(25):
        losses.append(0.0)
        for x, t in loader:
            loss = nn.functional.mse_loss(model(x), t)
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            with torch.no_grad():
                for parameter, gradient in zip(model.parameters(), gradients):
                    parameter.add_(gradient, alpha=-0.1)
            losses[-1] += loss.item()
    return losses


def compute_nb_errors(model, input, target, mini_batch_size):
    with torch.inference_mode():
        found = torch.cat([model(x) for x in input.split(mini_batch_size)]).max(dim=1, keepdim=True).indices
        return int((target.gather(1, found) != 1).sum())
