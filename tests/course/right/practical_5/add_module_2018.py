import math

import torch
from torch import nn, optim


def generate_disc_set(nb):
    input = torch.Tensor(nb, 2).uniform_(-1, 1)
    target = input.pow(2).sum(1).sub(2 / math.pi).sign().sub(1).div(-2).long()
    return input, target


mini_batch_size = 100


def train_model(model, train_input, train_target):
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=1e-1)
    nb_epochs = 250
    for e in range(nb_epochs):
        for b in range(0, train_input.size(0), mini_batch_size):
            output = model(train_input.narrow(0, b, mini_batch_size))
            loss = criterion(output, train_target.narrow(0, b, mini_batch_size))
            model.zero_grad()
            loss.backward()
            optimizer.step()


def compute_nb_errors(model, data_input, data_target):
    nb_errors = 0
    for b in range(0, data_input.size(0), mini_batch_size):
        output = model(data_input.narrow(0, b, mini_batch_size)).data
        wrong_classes = output.max(1)[1].ne(data_target.narrow(0, b, mini_batch_size).data)
        nb_errors += wrong_classes.sum().item()
    return nb_errors


def create_model(sizes):
    model = nn.Sequential()
    for k in range(len(sizes) - 1):
        model.add_module("linear%d" % k, nn.Linear(sizes[k], sizes[k + 1]))
        if k < len(sizes) - 2:
            model.add_module("relu%d" % k, nn.ReLU(inplace=True))
    return model


def create_shallow_model():
    return create_model([2, 128, 2])


def create_deep_model():
    return create_model([2] + [2**k for k in range(2, 8)] + [2])
