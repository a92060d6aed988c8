import math

import torch
from torch import nn, optim


def generate_disc_set(nb):
    points = torch.rand(nb, 2) * 2 - 1
    return points, (torch.norm(points, dim=1) <= math.sqrt(2 / math.pi)).long()


def train_model(model, train_input, train_target, nb_epochs=250, mini_batch_size=100):
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0)
    for _ in range(nb_epochs):
        for x, t in zip(train_input.split(mini_batch_size), train_target.split(mini_batch_size)):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), t).backward()
            optimizer.step()


@torch.no_grad()
def compute_nb_errors(model, data_input, data_target):
    model.eval()
    found = model(data_input).softmax(dim=1).max(dim=1).indices
    return len(data_target) - int((found == data_target).sum())


def create_shallow_model():
    layers = [nn.Linear(2, 128), nn.ReLU()]
    layers.append(nn.Linear(128, 2))
    return nn.Sequential(*layers)


def create_deep_model():
    widths, layers = [2, 4, 8, 16, 32, 64, 128], []
    for a, b in zip(widths, widths[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(128, 2))
