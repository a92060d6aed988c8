import torch


def nearest_classification(train_input, train_target, x):
    return train_target[torch.norm(train_input - x, dim=1).argmin()].item()


def compute_nb_errors(train_input, train_target, test_input, test_target, mean=None, proj=None):
    if mean is not None:
        train_input, test_input = train_input.sub(mean), test_input.sub(mean)
    if proj is not None:
        train_input, test_input = train_input @ proj.T, test_input @ proj.T
    return sum(nearest_classification(train_input, train_target, x) != y for x, y in zip(test_input, test_target))


def PCA(x):
    values, vectors = torch.linalg.eigh(torch.cov(x.t()))
    return x.mean(0), vectors.flip(1).t()
