import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Sequential):
    def __init__(self, nb_hidden: int = 200) -> None:
        super().__init__(
            nn.Conv2d(1, 32, 5), nn.MaxPool2d(3), nn.ReLU(),
            nn.Conv2d(32, 64, 5), nn.MaxPool2d(2), nn.ReLU(),
            nn.Flatten(), nn.Linear(256, nb_hidden), nn.ReLU(), nn.Linear(nb_hidden, 10),
        )  # fmt: skip


class Net2(nn.Module):
    def __init__(self):
        super(Net2, self).__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=5)
        self.conv2 = nn.Conv2d(32, 32, kernel_size=5)
        self.conv3 = nn.Conv2d(32, 64, kernel_size=2)
        self.fc1 = nn.Linear(9 * 64, 200)
        self.fc2 = nn.Linear(200, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), kernel_size=2))
        x = F.relu(F.max_pool2d(self.conv2(x), kernel_size=2))
        x = F.relu(self.conv3(x))
        x = F.relu(self.fc1(x.view(-1, 9 * 64)))
        x = self.fc2(x)
        return x


def train_model(model, train_input, train_target, mini_batch_size):
    optimizer, criterion = torch.optim.SGD(model.parameters(), lr=1e-1), nn.MSELoss()
    for e in range(25):
        order = torch.randperm(len(train_input))
        for i in order.split(mini_batch_size):
            optimizer.zero_grad(set_to_none=True)
            criterion(model(train_input[i]), train_target[i]).backward()
            optimizer.step()


@torch.no_grad()
def compute_nb_errors(model, input, target, mini_batch_size):
    training = model.training
    model.eval()
    wrong = 0
    for b in range(0, len(input), mini_batch_size):
        batch = slice(b, b + mini_batch_size)
        wrong += torch.count_nonzero(model(input[batch]).argmax(dim=1) - target[batch].argmax(dim=1)).item()
    model.train(training)
    return wrong
