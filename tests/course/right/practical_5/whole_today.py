import torch
from torch import nn, optim


def generate_disc_set(nb):
    points = torch.distributions.Uniform(-1, 1).sample((nb, 2))
    inside = torch.linalg.vector_norm(points, dim=1).square() < 2 / torch.pi
    return points, torch.where(inside, 1, 0)


def train_model(model, train_input, train_target, nb_epochs=250, mini_batch_size=100):
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0)
    for _ in range(nb_epochs):
        for x, t in zip(train_input.split(mini_batch_size), train_target.split(mini_batch_size)):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), t).backward()
            optimizer.step()


def compute_nb_errors(model, data_input, data_target):
    return torch.sum(torch.argmax(model(data_input), dim=1) != data_target).item()


def create_shallow_model():
    return nn.Sequential(nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 2))


def create_deep_model():
    return nn.Sequential(
        nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 32),
        nn.ReLU(), nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 2),
    )  # fmt: skip
