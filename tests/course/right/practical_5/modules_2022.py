import math

import torch
from torch import nn, optim


def generate_disc_set(nb):
    input = torch.empty(nb, 2).uniform_(-1, 1)
    target = input.pow(2).sum(1).sub(2 / math.pi).sign().add(1).div(2).long()
    return input, target


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
    return torch.sum(torch.argmax(model(data_input), dim=1) != data_target).item()


class Layers(nn.Module):
    def __init__(self, *sizes):
        super(Layers, self).__init__()
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])])

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = nn.functional.relu(layer(x))
        return self.layers[-1](x)


def create_shallow_model():
    return Layers(2, 128, 2)


def create_deep_model():
    return Layers(2, 4, 8, 16, 32, 64, 128, 2)
