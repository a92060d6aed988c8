import torch


def nearest_classification(train_input, train_target, x):
    dist = (train_input - x).pow(2).sum(1).view(-1)
    _, n = torch.min(dist, 0)
    return train_target[n.item()]


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
    b = x - mean
    Sigma = b.t().mm(b)
    eigen_values, eigen_vectors = torch.linalg.eig(Sigma)
    right_order = eigen_values.real.abs().sort(descending=True)[1]
    return mean, eigen_vectors.real.t()[right_order]
