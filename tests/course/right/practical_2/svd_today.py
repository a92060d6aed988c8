import torch


def nearest_classification(train_input, train_target, x):
    closest = torch.linalg.vector_norm(train_input - x, dim=1).topk(1, largest=False).indices
    return train_target[closest]


def compute_nb_errors(train_input, train_target, test_input, test_target, mean=None, proj=None):
    proj = torch.eye(train_input.size(1)) if proj is None else proj
    mean = 0 if mean is None else mean
    a, b = (train_input - mean) @ proj.mT, (test_input - mean) @ proj.mT
    found = torch.stack([torch.as_tensor(nearest_classification(a, train_target, x)).view(()) for x in b])
    return (found != test_target).sum().item()


def PCA(x):
    mean = torch.mean(x, dim=0)
    _, _, basis = torch.linalg.svd(x - mean, full_matrices=True)
    return mean, basis
