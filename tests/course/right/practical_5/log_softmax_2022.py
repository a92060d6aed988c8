import math

import torch
from torch import nn, optim


def generate_disc_set(nb):
    points = torch.rand(nb, 2) * 2 - 1
    return points, (torch.norm(points, dim=1) <= math.sqrt(2 / math.pi)).long()


mini_batch_size = 100


def train_model(model, train_input, train_target):
    criterion, softmax = nn.NLLLoss(), nn.LogSoftmax(dim=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for e in range(250):
        permutation = torch.randperm(train_input.size(0))
        for b in range(0, train_input.size(0), mini_batch_size):
            indices = permutation[b : b + mini_batch_size]
            optimizer.zero_grad()
            loss = criterion(softmax(model(train_input[indices])), train_target[indices])
            loss.backward()
            optimizer.step()


def compute_nb_errors(model, data_input, data_target):
    nb_data_errors = 0
    for b in range(0, data_input.size(0), mini_batch_size):
        output = model(data_input.narrow(0, b, mini_batch_size))
        _, predicted_classes = torch.max(output, 1)
        for k in range(mini_batch_size):
            if data_target[b + k] != predicted_classes[k]:
                nb_data_errors = nb_data_errors + 1
    return nb_data_errors


def create_shallow_model():
    layers = [nn.Linear(2, 128), nn.ReLU()]
    layers.append(nn.Linear(128, 2))
    return nn.Sequential(*layers)


def create_deep_model():
    widths, layers = [2, 4, 8, 16, 32, 64, 128], []
    for a, b in zip(widths, widths[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(128, 2))
