import torch
from torch import nn, optim


def generate_disc_set(nb):
    points = torch.distributions.Uniform(-1, 1).sample((nb, 2))
    inside = torch.linalg.vector_norm(points, dim=1).square() < 2 / torch.pi
    return points, torch.where(inside, 1, 0)


def train_model(model: nn.Module, train_input: torch.Tensor, train_target: torch.Tensor) -> nn.Module:
    samples = torch.utils.data.TensorDataset(train_input, train_target)
    batches = torch.utils.data.DataLoader(samples, batch_size=100, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-1)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(250):
        for x, t in batches:
            loss = criterion(model(x), t)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    return model


@torch.no_grad()
def compute_nb_errors(model, data_input, data_target):
    model.eval()
    found = model(data_input).softmax(dim=1).max(dim=1).indices
    return len(data_target) - int((found == data_target).sum())


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
