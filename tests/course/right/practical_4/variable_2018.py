import torch
from torch import nn
from torch.autograd import Variable
from torch.nn import functional as F


train_input, train_target = Variable(train_input), Variable(train_target)
nb_epochs, eta = 25, 0.1


def train_model(model, train_input, train_target, mini_batch_size):
    criterion = nn.MSELoss(size_average=True)
    for e in range(nb_epochs):
        for b in range(0, train_input.size(0), mini_batch_size):
            x, t = Variable(train_input[b : b + mini_batch_size]), Variable(train_target[b : b + mini_batch_size])
            loss = criterion(model(x), t)
            model.zero_grad()
            loss.backward()
            for p in model.parameters():
                p.data -= eta * p.grad.data


def compute_nb_errors(model, data_input, data_target, mini_batch_size):
    nb_data_errors = 0
    for b in range(0, data_input.size(0), mini_batch_size):
        output = model(Variable(data_input.narrow(0, b, mini_batch_size), volatile=True))
        _, predicted_classes = torch.max(output.data, 1)
        for k in range(0, mini_batch_size):
            if data_target.data[b + k, predicted_classes[k]] < 1:
                nb_data_errors = nb_data_errors + 1
    return nb_data_errors


class Net(nn.Module):
    def __init__(self, nb_hidden):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=5)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=5)
        self.fc1 = nn.Linear(256, nb_hidden)
        self.fc2 = nn.Linear(nb_hidden, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), kernel_size=3, stride=3))
        x = F.relu(F.max_pool2d(self.conv2(x), kernel_size=2, stride=2))
        x = F.relu(self.fc1(x.view(-1, 256)))
        x = self.fc2(x)
        return x


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
