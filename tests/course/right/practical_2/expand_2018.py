import torch


def nearest_classification(train_input, train_target, x):
    dist = (train_input - x.view(1, -1).expand_as(train_input)).pow(2).sum(1).view(-1)
    _, order = dist.sort(0, False)
    return train_target[order[0]]


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
    mean = x.mean(0)
    b = x - mean
    Sigma = b.t().mm(b)
    eigen_values, eigen_vectors = torch.linalg.eig(Sigma)
    right_order = eigen_values.real.abs().sort(descending=True)[1]
    return mean, eigen_vectors.real.t()[right_order]
