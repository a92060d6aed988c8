import math

import torch
from torch import nn, optim


def generate_disc_set(nb):
    input = torch.Tensor(nb, 2).uniform_(-1, 1)
    target = input.pow(2).sum(1).sub(2 / math.pi).sign().sub(1).div(-2).long()
    return input, target


mini_batch_size, nb_epochs, eta = 100, 250, 1e-1


def train_model(model, train_input, train_target):
    criterion = nn.CrossEntropyLoss()
    for e in range(0, nb_epochs):
        for b in range(0, train_input.size(0), mini_batch_size):
            model.zero_grad()
            criterion(model(train_input.narrow(0, b, 100)), train_target.narrow(0, b, 100)).backward()
            for p in model.parameters():
                p.data.sub_(eta * p.grad.data)


def compute_nb_errors(model, data_input, data_target):
    nb_errors = 0
    for b in range(0, data_input.size(0), mini_batch_size):
        output = model(data_input.narrow(0, b, mini_batch_size)).data
        wrong_classes = output.max(1)[1].ne(data_target.narrow(0, b, mini_batch_size).data)
        nb_errors += wrong_classes.sum().item()
    return nb_errors


def create_shallow_model():
    return nn.Sequential(nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 2))


def create_deep_model():
    return nn.Sequential(
        nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 32),
        nn.ReLU(), nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 2),
    )  # fmt: skip
