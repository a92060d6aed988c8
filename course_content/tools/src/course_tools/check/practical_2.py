"""Checks of practical 2: nearest neighbour and PCA."""

import ast
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_tools.check.checking import Complaint, NotDone, Note, Student, check, describe
from course_tools.check.student_code import last_name

# 60 samples of 6 dimensions in 4 classes, far from the origin; a class is no index, and no nearest sample is a tie.
NB_TRAIN, NB_TEST, DIMENSION = 60, 50, 6


def make_samples() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return training samples and classes, test samples and classes: the classes overlap."""
    generator = torch.Generator().manual_seed(1)
    centers = 2 * torch.randn(4, DIMENSION, generator=generator)
    tensors = []
    for number in (NB_TRAIN, NB_TEST):
        target = torch.arange(number) % 4
        tensors += [centers[target] + 3 * torch.randn(number, DIMENSION, generator=generator) + 3, target]
    return tensors[0], tensors[1], tensors[2], tensors[3]


def classify(train_input: Tensor, train_target: Tensor, x: Tensor) -> Tensor:
    """Return the class of the nearest sample."""
    return train_target[(train_input - x).square().sum(1).argmin()]


def count_errors(
    train_input: Tensor, train_target: Tensor, test_input: Tensor, test_target: Tensor, proj: Tensor | None = None
) -> int:
    """Return the number of errors of the nearest neighbour in the subspace of `proj`; the mean plays no part."""
    if proj is not None:
        train_input, test_input = train_input @ proj.t(), test_input @ proj.t()
    nearest = torch.cdist(test_input, train_input, compute_mode="donot_use_mm_for_euclid_dist").argmin(1)
    return int((train_target[nearest] != test_target).sum())


@check("nearest_classification")
def nearest(student: Student) -> Iterator[str]:
    name = "nearest_classification"
    if loop := student.find_loop(name):
        yield f"{name}: {loop} is a loop: all distances can be computed at once"
    train_input = torch.tensor([[0.0, 0.0], [3.0, 3.0], [5.0, 0.0], [0.0, 9.0]])
    train_target = torch.tensor([7, 4, 9, 8])
    for x, expected, farthest in (([0.5, 0.2], 7, 8), ([4.5, 0.5], 9, 8), ([1.0, 8.0], 8, 2), ([2.5, 3.5], 4, 8)):
        x = torch.tensor(x)
        with student.intact(name, train_input=train_input, train_target=train_target, x=x):
            value = read_number(name, student.call(name, train_input, train_target, x))
        if value == expected:
            continue
        if value == train_target.tolist().index(expected):
            yield f"{name}: gives the index of the closest sample, its class is asked"
        elif value == farthest:
            yield f"{name}: gives the class of the farthest sample, that of the closest is asked"
        else:
            yield f"{name}: gives {value:g} where the closest sample is of class {expected}"
        return
    # L1 would choose the second one, and the largest difference of a coordinate the third one.
    train_input = torch.tensor([[2.0, 2.0, 0.0], [0.0, 3.1, 0.0], [1.9, 1.9, 1.9]])
    value = read_number(name, student.call(name, train_input, torch.tensor([5, 6, 7]), torch.zeros(3)))
    if value != 5:
        yield f"{name}: not the closest one in L2: add the squares of the differences"
        return
    train_input, train_target, test_input, _ = make_samples()
    for x in test_input:
        value = read_number(name, student.call(name, train_input, train_target, x))
        if value != classify(train_input, train_target, x).item():
            yield f"{name}: wrong for some of {NB_TEST} random points in {DIMENSION} dimensions"
            return


def read_number(name: str, value: Any) -> float:
    """Return the one number that `value` holds."""
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return float(value.item())
    if isinstance(value, int | float):
        return float(value)
    raise Complaint(name, f"gives {describe(value)}, expected one number")


@check("compute_nb_errors")
def errors(student: Student) -> Iterator[str]:
    name = "compute_nb_errors"
    train_input, train_target, test_input, test_target = samples = make_samples()
    generator = torch.Generator().manual_seed(2)
    mean = train_input.mean(0)
    # Not symmetric, and with rows that weigh differently: neither its transpose nor the raw data give these errors.
    square = torch.randn(DIMENSION, DIMENSION, generator=generator) * torch.logspace(1, -2, DIMENSION)[:, None]
    cases: list[tuple[str, Tensor | None, Tensor | None]] = [
        ("without mean and proj", None, None),
        ("with mean", mean, None),
        ("with proj", None, torch.randn(2, DIMENSION, generator=generator)),
        ("with mean and proj", mean, torch.randn(3, DIMENSION, generator=generator)),
        ("with a square proj", mean, square),
    ]
    arguments = {"train_input": train_input, "train_target": train_target}
    arguments |= {"test_input": test_input, "test_target": test_target}
    for title, mean, proj in cases:
        optional = {name: tensor for name, tensor in (("mean", mean), ("proj", proj)) if tensor is not None}
        with student.intact(name, **arguments, **optional), student.repaired(nearest_classification=classify):
            value = read_number(name, student.call(name, *samples, **optional))
        expected = count_errors(*samples, proj)
        if value == expected:
            continue
        if abs(value - expected / NB_TEST) < 1e-6 or abs(value - 100 * expected / NB_TEST) < 1e-6:
            yield f"{name}: gives a rate, the number of errors is asked"
        elif value == NB_TEST - expected and mean is None and proj is None:
            yield f"{name}: counts the samples that are right, those that are wrong are asked"
        elif proj is not None and value == count_errors(*samples):
            yield f"{name}: {title}: does not project the samples"
        elif mean is not None and (said := explain_mean(value, samples, mean, proj)):
            yield f"{name}: {title}: {said}"
        else:
            yield f"{name}: {title}: counts {value:g} of {NB_TEST} wrong, expected {expected}"
        return
    _, mean, proj = cases[3]
    with student.repaired(nearest_classification=classify):
        value = read_number(name, student.call(name, *samples, mean, proj))
    if value != count_errors(*samples, proj):
        yield f"{name}: another result when mean and proj are given by position: they come in this order"


def explain_mean(value: float, samples: tuple[Tensor, ...], mean: Tensor, proj: Tensor | None) -> str:
    """Return which mistake with the mean gives so many errors; "" when none does."""
    train_input, train_target, test_input, test_target = samples
    mistakes = {
        "the test samples are centred by their own mean, not by the one that is given": test_input.mean(0),
        "the mean is subtracted from the training samples only": torch.zeros_like(mean),
    }
    for said, subtracted in mistakes.items():
        if value == count_errors(train_input - mean, train_target, test_input - subtracted, test_target, proj):
            return said
    return ""


@check("PCA")
def pca(student: Student) -> Iterator[str]:
    if loop := student.find_loop("PCA"):
        yield f"PCA: {loop} is a loop: one product of matrices gives the covariance"
    generator = torch.Generator().manual_seed(3)
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=generator)).Q
    offset = torch.tensor([30.0, -10.0, 20.0, 5.0])
    x = torch.randn(50, 4, generator=generator) * torch.tensor([8.0, 4.0, 2.0, 1.0]) @ rotation.t() + offset
    with student.intact("PCA", x=x):
        mean, basis = call_pca(student, x)
    if not torch.allclose(mean, x.mean(0), atol=1e-2):
        yield "PCA: its first result is not the mean of the samples"
    if not is_orthonormal(basis):
        yield "PCA: the rows of the basis are not of length 1 and orthogonal to each other"
        return
    yield from compare_bases(x, basis)
    for node in student.walk("PCA"):
        if isinstance(node, ast.Call) and last_name(node.func) == "eig":
            why = "a covariance is symmetric, and of those it gives real, orthonormal vectors in order"
            yield Note(f"PCA: {student.code.place(node.lineno)}: torch.linalg.eigh is better here than eig: {why}")


@check("PCA")
def pca_of_few_samples(student: Student) -> Iterator[str]:
    """CIFAR10 is such a case: 1000 samples in 3072 dimensions, of which the first 100 directions are asked."""
    if "PCA" in student.faulty:
        return
    for n, d in ((5, 8), (6, 6)):
        x = torch.randn(n, d) + 2
        _, basis = call_pca(student, x, f"of {n} samples in {d} dimensions (CIFAR10: 1000 in 3072): ")
        case = f"PCA: of {n} samples in {d} dimensions"
        if not is_orthonormal(basis[: n - 1]):
            yield f"{case}: the first {n - 1} rows are not of length 1 and orthogonal to each other"
            return
        if not has_variances(x, basis):
            yield f"{case}: not the directions of decreasing variance"
            return
        if not is_orthonormal(basis):
            idle = "the rows without variance are not orthogonal to each other: the practical uses none of them"
            yield Note(f"{case}: {idle}")
            return


@check("PCA")
def pca_of_one_dimension(student: Student) -> Iterator[str]:
    if "PCA" in student.faulty:
        return
    x, case = torch.randn(3, 1) + 2, "of 3 samples in 1 dimension"
    try:
        _, basis = call_pca(student, x, f"{case}: ")
        if is_orthonormal(basis):
            return
        reason = f"{case}: the row is not of length 1"
    except Complaint as complaint:
        reason = complaint.reason if case in complaint.reason else f"{case}: {complaint.reason}"
    yield Note(f"PCA: {reason.rstrip('.')}; images have more dimensions, so nothing is lost")


def has_variances(x: Tensor, basis: Tensor) -> bool:
    """Return whether the rows are directions of the variances of `x`, in decreasing order; few samples leave some 0."""
    n, d = x.shape
    variances = ((x - x.mean(0)) @ basis.t()).square().sum(0)
    expected = torch.linalg.eigvalsh(torch.cov(x.t().double()).reshape(d, d) * (n - 1)).flip(0).float()
    return bool(torch.allclose(variances, expected, rtol=1e-2, atol=1e-3))


def call_pca(student: Student, x: Tensor, case: str = "") -> tuple[Tensor, Tensor]:
    """Return the student's mean and basis of `x`; `case` begins a complaint."""
    d = x.size(1)
    try:
        result = student.call("PCA", x)
    except NotDone:
        raise
    except Complaint as complaint:
        raise Complaint("PCA", f"{case}{complaint.reason}") from None
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Complaint("PCA", f"{case}gives {describe(result)}, expected two tensors: the mean and the basis")
    mean = student.tensor(f"PCA: {case}the mean", result[0])
    if mean.numel() == 1 and d > 1:
        raise Complaint("PCA", f"{case}the mean is one number, expected {d}: the mean of each dimension")
    mean = student.tensor(f"PCA: {case}the mean", mean.view(d) if tuple(mean.shape) == (1, d) else mean, (d,))
    basis = student.tensor(f"PCA: {case}the basis", result[1], (d, d))
    if basis.is_complex():
        real = "a covariance is symmetric, and torch.linalg.eigh gives the real ones of it"
        raise Complaint("PCA", f"{case}the basis has complex numbers: {real}")
    if not (mean.isfinite().all() and basis.isfinite().all()):
        raise Complaint("PCA", f"{case}gives inf or nan")
    return mean.to(x), basis.to(x)


def is_orthonormal(basis: Tensor) -> bool:
    """Return whether the rows are of length 1 and orthogonal."""
    return bool(torch.allclose(basis @ basis.t(), torch.eye(basis.size(0)), atol=1e-3))


def compare_bases(x: Tensor, basis: Tensor) -> Iterator[str]:
    """Yield what is wrong with a basis, but for the signs of its rows, which are free."""
    expected = find_directions(x - x.mean(0))
    if is_same(basis, expected):
        return
    if is_same(basis, expected.flip(0)):
        yield "PCA: the rows are in the order of increasing eigenvalues, decreasing is asked"
    elif is_same(basis.t(), expected):
        yield "PCA: the vectors are in the columns of the basis, they should be in its rows"
    elif any(is_same(basis, other) for other in (expected.flip(0).t(), expected.flip(1), expected.flip(0, 1))):
        yield "PCA: the vectors should be in the rows of the basis, by decreasing eigenvalue"
    elif is_same(basis, find_directions(x)) or is_same(basis, find_directions(x - x.mean())):
        yield "PCA: the covariance needs samples from which the mean of each dimension is subtracted"
    elif torch.allclose((basis @ expected.t()).abs().amax(1), torch.ones(x.size(1)), atol=1e-2):
        yield "PCA: the right vectors, but not in the order of decreasing eigenvalues"
    else:
        yield "PCA: the rows are not the directions of largest variance"


def find_directions(x: Tensor) -> Tensor:
    """Return the eigenvectors of x^T x in rows, by decreasing eigenvalue."""
    return torch.linalg.eigh(x.t() @ x).eigenvectors.t().flip(0)


def is_same(basis: Tensor, other: Tensor) -> bool:
    """Return whether the rows of two orthonormal matrices are the same but for their signs."""
    return bool(torch.allclose((basis * other).sum(1).abs(), torch.ones(basis.size(0)), atol=1e-2))
