import torch


def nearest_classification(train_input, train_target, x):
    return train_target[torch.cdist(x[None], train_input).argmin(dim=1)]


def compute_nb_errors(train_input, train_target, test_input, test_target, mean=None, proj=None):
    if mean is not None:
        train_input = train_input - mean
        test_input = test_input - mean
    if proj is not None:
        train_input = train_input.mm(proj.t())
        test_input = test_input.mm(proj.t())
    nb_errors = 0
    for n in range(0, test_input.size(0)):
        if test_target[n] != nearest_classification(train_input, train_target, test_input[n]):
            nb_errors = nb_errors + 1
    return nb_errors


def PCA(x):
    mean = x.mean(0)
    centered = x - mean
    covariance = centered.T @ centered / (x.size(0) - 1)
    eigenvalues, eigenvectors = torch.linalg.eigh(covariance)
    order = eigenvalues.argsort(descending=True)
    return mean, eigenvectors[:, order].T
