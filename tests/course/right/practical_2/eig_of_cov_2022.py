import torch


def nearest_classification(train_input, train_target, x):
    return train_target[torch.norm(train_input - x, dim=1).argmin()].item()


def compute_nb_errors(train_input, train_target, test_input, test_target, mean=None, proj=None):
    if mean is not None:
        train_input = train_input - mean.expand_as(train_input)
        test_input = test_input - mean.expand_as(test_input)
    if proj is not None:
        train_input, test_input = train_input.matmul(proj.t()), test_input.matmul(proj.t())
    errors = 0
    for x, y in zip(test_input, test_target):
        errors += int(nearest_classification(train_input, train_target, x) != y)
    return errors


def PCA(x):
    values, vectors = torch.linalg.eig(torch.cov(x.t()))
    order = torch.argsort(values.real, descending=True)
    return x.mean(dim=0), vectors[:, order].real.T
