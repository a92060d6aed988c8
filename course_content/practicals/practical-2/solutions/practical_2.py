"""Practical 2, nearest neighbour and PCA: reference solution."""

import torch
import torch.nn.functional as functional
from torch import Tensor


def nearest_classification(train_input: Tensor, train_target: Tensor, x: Tensor) -> Tensor:
    """The class of the sample of `train_input` (n x d) that is closest to `x` (d) in L2."""
    distances = (train_input - x).pow(2).sum(1)
    return train_target[distances.argmin()]


def compute_nb_errors(
    train_input: Tensor,
    train_target: Tensor,
    test_input: Tensor,
    test_target: Tensor,
    mean: Tensor | None = None,
    proj: Tensor | None = None,
) -> int:
    """The number of test samples (m x d) that the nearest training sample (n x d) classifies wrongly.

    `mean` (d) is subtracted from all samples first, then they are projected by `proj` (c x d).
    """
    if mean is not None:
        train_input, test_input = train_input - mean, test_input - mean
    if proj is not None:
        train_input, test_input = train_input @ proj.t(), test_input @ proj.t()
    nb_errors = torch.zeros((), dtype=torch.long, device=test_input.device)
    for x, target in zip(test_input, test_target, strict=True):
        nb_errors += nearest_classification(train_input, train_target, x) != target
    return int(nb_errors)  # once: on a GPU each look at a number waits for it


def PCA(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (d) of `x` (n x d), and the PCA basis (d x d): a vector a row, by decreasing eigenvalue."""
    mean = x.mean(0)
    centered = x - mean
    # eigh: a covariance is symmetric, so all is real, orthonormal, and sorted by increasing eigenvalue.
    _, vectors = torch.linalg.eigh(centered.t() @ centered)
    return mean, vectors.t().flip(0)


def compare(train_input: Tensor, train_target: Tensor, test_input: Tensor, test_target: Tensor) -> dict[str, int]:
    """The number of errors raw, in a random subspace, and in the PCA subspaces of four dimensions; printed, too."""
    nb_errors = {}

    def count(name: str, title: str, mean: Tensor | None = None, proj: Tensor | None = None) -> None:
        nb_errors[name] = compute_nb_errors(train_input, train_target, test_input, test_target, mean, proj)
        error = 100 * nb_errors[name] / test_input.size(0)
        print(f"{title} nb_errors {nb_errors[name]} error {error:.2f}%", flush=True)

    count("raw", "Baseline")
    # Drawn on the CPU: the same numbers for one seed, wherever the rest is computed.
    basis = torch.randn(100, train_input.size(1)).to(train_input)
    count("random_100", "Random 100d", None, basis)
    mean, basis = PCA(train_input)
    for d in (100, 50, 10, 3):
        count(f"pca_{d}", f"PCA {d}d", mean, basis[:d])
    return nb_errors


def main() -> None:
    """Compare on MNIST, then on CIFAR10."""
    import dlc_practical_prologue as prologue
    from course_tools import report

    options = report.parse(__doc__)
    torch.manual_seed(options.seed)
    nb_errors, nb_test = {}, 0
    for name in ("mnist", "cifar10"):
        samples = prologue.load_data(cifar=name == "cifar10")
        if options.tiny and name == "cifar10":
            # Averages of 2 x 2 pixels, 768 dimensions instead of 3072, whose eigenvectors take half a minute.
            samples = halve(samples[0]), samples[1], halve(samples[2]), samples[3]
        train_input, train_target, test_input, test_target = (tensor.to(options.device) for tensor in samples)
        nb_errors[name] = compare(train_input, train_target, test_input, test_target)
        nb_test = test_input.size(0)
    data = {name: prologue.get_data_source(name) for name in nb_errors}
    report.write(options, practical=2, data=data, nb_errors=nb_errors, nb_test=nb_test)


def halve(images: Tensor) -> Tensor:
    """Flat images (N x 3072) at half their height and width (N x 768)."""
    return functional.avg_pool2d(images.view(-1, 3, 32, 32), 2).flatten(1)


if __name__ == "__main__":
    main()
