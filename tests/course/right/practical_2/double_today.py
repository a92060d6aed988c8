import torch


def nearest_classification(train_input, train_target, x):
    return train_target[torch.cdist(x[None], train_input).argmin(dim=1)]


def compute_nb_errors(train_input, train_target, test_input, test_target, mean=None, proj=None):
    if mean is not None:
        train_input, test_input = train_input.sub(mean), test_input.sub(mean)
    if proj is not None:
        train_input, test_input = train_input @ proj.T, test_input @ proj.T
    return sum(nearest_classification(train_input, train_target, x) != y for x, y in zip(test_input, test_target))


def PCA(x):
    mean = x.mean(0)
    e, v = torch.linalg.eigh((x - mean).double().t() @ (x - mean).double())
    return mean, v.float().t().flip(0)
