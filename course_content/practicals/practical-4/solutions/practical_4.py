"""Practical 4, convolutional networks: reference solution."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ETA = 1e-1
NB_EPOCHS = 25
BATCH_SIZE = 100
NB_ROUNDS = 10
NB_HIDDEN = (10, 50, 200, 500, 1000)


class Net(nn.Module):
    """Two convolutions and two linear layers: 105 506 parameters with 200 hidden units."""

    def __init__(self, nb_hidden: int = 200) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=5)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=5)
        self.fc1 = nn.Linear(256, nb_hidden)
        self.fc2 = nn.Linear(nb_hidden, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.conv1(x), kernel_size=3))
        x = F.relu(F.max_pool2d(self.conv2(x), kernel_size=2))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class Net2(nn.Module):
    """Three convolutions and two linear layers: 152 130 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=5)
        self.conv2 = nn.Conv2d(32, 32, kernel_size=5)
        self.conv3 = nn.Conv2d(32, 64, kernel_size=2)
        self.fc1 = nn.Linear(576, 200)
        self.fc2 = nn.Linear(200, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.conv1(x), kernel_size=2))
        x = F.relu(F.max_pool2d(self.conv2(x), kernel_size=2))
        x = F.relu(self.conv3(x))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def train_model(model: nn.Module, train_input: Tensor, train_target: Tensor, mini_batch_size: int) -> None:
    """Minimize the mean squared error to the one-hot rows `train_target`, in 25 epochs of plain steps."""
    criterion = nn.MSELoss()
    for epoch in range(NB_EPOCHS):
        sum_loss = 0.0
        for input, target in zip(train_input.split(mini_batch_size), train_target.split(mini_batch_size), strict=True):
            loss = criterion(model(input), target)
            model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= ETA * parameter.grad
            sum_loss += loss.item()
        print(f"epoch {epoch:3}  loss {sum_loss:.3f}", flush=True)


def compute_nb_errors(model: nn.Module, input: Tensor, target: Tensor, mini_batch_size: int) -> int:
    """How many samples have their largest output at another class than their one-hot row."""
    nb_errors = 0
    with torch.no_grad():
        for some, rows in zip(input.split(mini_batch_size), target.split(mini_batch_size), strict=True):
            nb_errors += int((model(some).argmax(1) != rows.argmax(1)).sum())
    return nb_errors


def main() -> None:
    """Ten rounds of the network, five sizes of its hidden layer, and the network with three convolutions."""
    import dlc_practical_prologue as prologue
    from course_tools import report

    options = report.parse(__doc__)
    torch.manual_seed(options.seed)
    sets = prologue.load_data(one_hot_labels=True, normalize=True, flatten=False)
    train_input, train_target, test_input, test_target = (tensor.to(options.device) for tensor in sets)
    train_target = torch.where(train_target > 0, 1.0, -1.0)  # learnt faster than 0 and 1

    def measure(model: nn.Module) -> float:
        train_model(model.to(options.device), train_input, train_target, BATCH_SIZE)
        error = compute_nb_errors(model, test_input, test_target, BATCH_SIZE) / test_input.size(0)
        print(f"test error {error:.1%}", flush=True)
        return error

    print("* Net")
    rounds = [measure(Net()) for _ in range(1 if options.tiny or options.full else NB_ROUNDS)]
    hidden = {}
    for nb_hidden in () if options.tiny or options.full else NB_HIDDEN:
        print(f"* Net with {nb_hidden} hidden units")
        hidden[str(nb_hidden)] = measure(Net(nb_hidden))
    print("* Net2")
    net2 = measure(Net2())
    source = prologue.get_data_source("mnist")
    report.write(options, practical=4, data=source, rounds=rounds, hidden=hidden, net2=net2)


if __name__ == "__main__":
    main()
