"""Practical 5, initialization: reference solution."""

import torch
from torch import Tensor, nn

NB_SAMPLES = 1000
NB_EPOCHS = 250
BATCH_SIZE = 100
LEARNING_RATE = 0.1
STDS = (None, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Standard deviations of all parameters; None is torch's own initialization."""


def generate_disc_set(nb: int) -> tuple[Tensor, Tensor]:
    """`nb` points (nb x 2) uniform in [-1, 1]^2, and their classes: 1 inside the disc of radius sqrt(2 / pi)."""
    points = torch.empty(nb, 2).uniform_(-1, 1)
    return points, (points.pow(2).sum(1) < 2 / torch.pi).long()


def train_model(model: nn.Module, train_input: Tensor, train_target: Tensor, nb_epochs: int = NB_EPOCHS) -> None:
    """Minimize the cross-entropy with stochastic gradient descent."""
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    batches = [*zip(train_input.split(BATCH_SIZE), train_target.split(BATCH_SIZE), strict=True)]
    for _ in range(nb_epochs):
        for input, target in batches:
            loss = criterion(model(input), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def compute_nb_errors(model: nn.Module, data_input: Tensor, data_target: Tensor) -> int:
    """How many samples get another class than theirs."""
    with torch.no_grad():
        return int((model(data_input).argmax(1) != data_target).sum())


def create_shallow_model() -> nn.Module:
    """2 - 128 - 2: 642 parameters."""
    return nn.Sequential(nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 2))


def create_deep_model() -> nn.Module:
    """2 - 4 - 8 - 16 - 32 - 64 - 128 - 2: 11 430 parameters."""
    return nn.Sequential(
        nn.Linear(2, 4),
        nn.ReLU(),
        nn.Linear(4, 8),
        nn.ReLU(),
        nn.Linear(8, 16),
        nn.ReLU(),
        nn.Linear(16, 32),
        nn.ReLU(),
        nn.Linear(32, 64),
        nn.ReLU(),
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Linear(128, 2),
    )


def initialize(model: nn.Module, std: float | None) -> None:
    """Draw all parameters anew from a normal distribution, unless `std` is None."""
    if std is not None:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(0, std)


def main() -> None:
    """Train both models from each initialization, and print their errors."""
    from course_tools import report

    options = report.parse(__doc__)
    torch.manual_seed(options.seed)
    nb_epochs = 100 if options.tiny else NB_EPOCHS
    stds = (None, 1e-3) if options.tiny else STDS

    train_input, train_target = (tensor.to(options.device) for tensor in generate_disc_set(NB_SAMPLES))
    test_input, test_target = (tensor.to(options.device) for tensor in generate_disc_set(NB_SAMPLES))
    mean, std = train_input.mean(), train_input.std()
    train_input, test_input = (train_input - mean) / std, (test_input - mean) / std

    errors: dict[str, dict[str, list[float]]] = {}
    print("model    std       train    test")
    for name, create in (("shallow", create_shallow_model), ("deep", create_deep_model)):
        errors[name] = {}
        for std in stds:
            model = create()
            initialize(model, std)  # on the CPU: the same numbers for one seed, wherever the rest is computed
            model.to(options.device)
            train_model(model, train_input, train_target, nb_epochs)
            train_error = compute_nb_errors(model, train_input, train_target) / NB_SAMPLES
            test_error = compute_nb_errors(model, test_input, test_target) / NB_SAMPLES
            errors[name][str(std)] = [train_error, test_error]
            print(f"{name:8} {std or 'default':<8} {train_error:6.1%}  {test_error:6.1%}", flush=True)
    report.write(options, practical=5, data="none", errors=errors)


if __name__ == "__main__":
    main()
