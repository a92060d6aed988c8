"""The checks of practical 2: the solution passes, and each wrong version is told in its own line."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed beside pytest: nothing of a practical can be checked here")

from checked import PRACTICALS, list_all, list_lines, read_solution, vary

SOLUTION = read_solution(2)

DISTANCES = "distances = (train_input - x).pow(2).sum(1)"
NEAREST = "return train_target[distances.argmin()]"
CENTER = "train_input, test_input = train_input - mean, test_input - mean"
PROJECT = "train_input, test_input = train_input @ proj.t(), test_input @ proj.t()"
CENTERS = f"    if mean is not None:\n        {CENTER}\n"
PROJECTS = f"    if proj is not None:\n        {PROJECT}\n"
COUNT = "return int(nb_errors)  # once: on a GPU each look at a number waits for it"
MEAN = "mean = x.mean(0)"
CENTERED = "centered = x - mean"
EIGH = "_, vectors = torch.linalg.eigh(centered.t() @ centered)"
ROWS = "return mean, vectors.t().flip(0)"


def test_the_solution_passes(tmp_path: Path) -> None:
    assert list_lines(2, SOLUTION, tmp_path) == []


def test_the_skeleton_is_not_done(tmp_path: Path) -> None:
    skeleton = (PRACTICALS / "practical-2/practical_2.py").read_text()
    names = ("nearest_classification", "compute_nb_errors", "PCA")
    assert list_lines(2, skeleton, tmp_path) == [f"todo {name}: not done yet" for name in names]


WRONG = {
    "an index": ((NEAREST, "return distances.argmin()"), [
        "nearest_classification: gives the index of the closest sample, its class is asked",
    ]),
    "the farthest": ((NEAREST, "return train_target[distances.argmax()]"), [
        "nearest_classification: gives the class of the farthest sample, that of the closest is asked",
    ]),
    "L1": ((DISTANCES, "distances = (train_input - x).abs().sum(1)"), [
        "nearest_classification: not the closest one in L2: add the squares of the differences",
    ]),
    "the largest difference": ((DISTANCES, "distances = (train_input - x).abs().amax(1)"), [
        "nearest_classification: not the closest one in L2: add the squares of the differences",
    ]),
    "no squares": ((DISTANCES, "distances = (train_input - x).sum(1)"), [
        "nearest_classification: gives 7 where the closest sample is of class 9",
    ]),
    "the sum of samples": ((DISTANCES, "distances = (train_input - x).pow(2).sum(0)"), [
        "nearest_classification: gives 7 where the closest sample is of class 9",
    ]),
    "the largest product": ((DISTANCES, "distances = -(train_input @ x)"), [
        "nearest_classification: gives 9 where the closest sample is of class 7",
    ]),
    "a loop": ((DISTANCES, "distances = torch.stack([(sample - x).pow(2).sum() for sample in train_input])"), [
        "nearest_classification: line 10 is a loop: all distances can be computed at once",
    ]),
    "in place": ((DISTANCES, "distances = train_input.sub_(x).pow(2).sum(1)"), [
        "nearest_classification: changes its argument train_input: work on a new tensor, the caller needs the old one",
    ]),
    "all distances": ((NEAREST, "return distances"), [
        "nearest_classification: gives a tensor of 4 elements, expected one number",
    ]),
    "two arguments": (("train_target: Tensor, x: Tensor) -> Tensor:", "x: Tensor) -> Tensor:"), [
        "nearest_classification: takes (train_input: torch.Tensor, x: torch.Tensor) -> torch.Tensor,"
        " but must take 3 arguments",
    ]),
    "no class": ((NEAREST, "train_target[distances.argmin()]"), [
        "nearest_classification: returns nothing: does it end with a return?",
    ]),
    "a rate": ((COUNT, "return int(nb_errors) / test_input.size(0)"), [
        "compute_nb_errors: gives a rate, the number of errors is asked",
    ]),
    "a percentage": ((COUNT, "return 100 * int(nb_errors) / test_input.size(0)"), [
        "compute_nb_errors: gives a rate, the number of errors is asked",
    ]),
    "right ones": (("train_target, x) != target", "train_target, x) == target"), [
        "compute_nb_errors: counts the samples that are right, those that are wrong are asked",
    ]),
    "printed": ((COUNT, "print(nb_errors)"), [
        "compute_nb_errors: returns nothing: does it end with a return?",
    ]),
    "on the training samples": (("zip(test_input, test_target", "zip(train_input, train_target"), [
        "compute_nb_errors: without mean and proj: counts 0 of 50 wrong, expected 19",
    ]),
    "mean of the training samples only": ((CENTER, "train_input = train_input - mean"), [
        "compute_nb_errors: with mean: the mean is subtracted from the training samples only",
    ]),
    "mean in place": ((CENTER, "train_input -= mean\n        test_input -= mean"), [
        "compute_nb_errors: changes its argument train_input: work on a new tensor, the caller needs the old one",
    ]),
    "mean of the test samples in place": ((CENTER, "train_input = train_input - mean\n        test_input -= mean"), [
        "compute_nb_errors: changes its argument test_input: work on a new tensor, the caller needs the old one",
    ]),
    "a truth of tensors": (("if mean is not None:", "if mean:"), [
        "compute_nb_errors: line 26: RuntimeError: Boolean value of Tensor with more than one value is ambiguous",
    ]),
    "not equal to None": (("if proj is not None:", "if mean is not None:"), [
        "compute_nb_errors: line 29: AttributeError: 'NoneType' object has no attribute 't'",
    ]),
    "no projection": ((PROJECT, "pass"), [
        "compute_nb_errors: with proj: does not project the samples",
    ]),
    "one projection": ((PROJECT, "train_input = train_input @ proj.t()"), [
        "compute_nb_errors: line 10: RuntimeError: The size of tensor a (2) must match the size of tensor b (6)"
        " at non-singleton dimension 1",
    ]),
    "transposed projection": ((PROJECT, "train_input, test_input = train_input @ proj, test_input @ proj"), [
        "compute_nb_errors: line 29: RuntimeError: mat1 and mat2 shapes cannot be multiplied (60x6 and 2x6)",
    ]),
    "projected first": ((CENTERS + PROJECTS, PROJECTS + CENTERS), [
        "compute_nb_errors: line 29: RuntimeError: The size of tensor a (3) must match the size of tensor b (6)"
        " at non-singleton dimension 1",
    ]),
    "no default": (("    mean: Tensor | None = None,\n    proj: Tensor | None = None,\n",
                    "    mean: Tensor | None,\n    proj: Tensor | None,\n"), None),
    "another order": (("    mean: Tensor | None = None,\n    proj: Tensor | None = None,\n",
                       "    proj: Tensor | None = None,\n    mean: Tensor | None = None,\n"), [
        "compute_nb_errors: line 27: RuntimeError: The size of tensor a (60) must match the size of tensor b (3)"
        " at non-singleton dimension 0",
    ]),
    "the mean of everything": ((MEAN, "mean = x.mean()"), [
        "PCA: the mean is one number, expected 4: the mean of each dimension",
    ]),
    "the mean of everything, repeated": ((MEAN, "mean = x.mean().expand(x.size(1))"), [
        "PCA: its first result is not the mean of the samples",
        "PCA: the covariance needs samples from which the mean of each dimension is subtracted",
    ]),
    "the mean of each sample": ((MEAN, "mean = x.mean(1, keepdim=True)"), [
        "PCA: the mean: gives a 50 x 1 tensor, expected a tensor of 4 elements",
    ]),
    "not centred": ((CENTERED, "centered = x"), [
        "PCA: the covariance needs samples from which the mean of each dimension is subtracted",
    ]),
    "in-place mean": ((CENTERED, "centered = x.sub_(mean)"), [
        "PCA: changes its argument x: work on a new tensor, the caller needs the old one",
    ]),
    "columns": ((ROWS, "return mean, vectors.flip(1)"), [
        "PCA: the vectors are in the columns of the basis, they should be in its rows",
    ]),
    "increasing": ((ROWS, "return mean, vectors.t()"), [
        "PCA: the rows are in the order of increasing eigenvalues, decreasing is asked",
    ]),
    "as eigh gives them": ((ROWS, "return mean, vectors"), [
        "PCA: the vectors should be in the rows of the basis, by decreasing eigenvalue",
    ]),
    "flipped along the vectors": ((ROWS, "return mean, vectors.t().flip(1)"), [
        "PCA: the vectors should be in the rows of the basis, by decreasing eigenvalue",
    ]),
    "unsorted": ((ROWS, "return mean, vectors.t()[[1, 3, 0, 2]] if x.size(1) == 4 else vectors.t().flip(0)"), [
        "PCA: the right vectors, but not in the order of decreasing eigenvalues",
    ]),
    "the covariance of the samples": ((EIGH, "_, vectors = torch.linalg.eigh(centered @ centered.t())"), [
        "PCA: the basis: gives a 50 x 50 tensor, expected a 4 x 4 tensor",
    ]),
    "scaled": ((ROWS, "return mean, 2 * vectors.t().flip(0)"), [
        "PCA: the rows of the basis are not of length 1 and orthogonal to each other",
    ]),
    "the covariance": ((ROWS, "return mean, centered.t() @ centered"), [
        "PCA: the rows of the basis are not of length 1 and orthogonal to each other",
    ]),
    "the identity": ((ROWS, "return mean, torch.eye(x.size(1))"), [
        "PCA: the rows are not the directions of largest variance",
    ]),
    "complex": ((EIGH, "_, vectors = torch.linalg.eig(centered.t() @ centered)"), [
        "PCA: the basis has complex numbers: a covariance is symmetric, and torch.linalg.eigh gives"
        " the real ones of it",
    ]),
    "a short SVD": ((ROWS, "return mean, torch.linalg.svd(centered, full_matrices=False).Vh"), [
        "PCA: of 5 samples in 8 dimensions (CIFAR10: 1000 in 3072): the basis: gives a 5 x 8 tensor,"
        " expected a 8 x 8 tensor",
    ]),
    "the basis only": ((ROWS, "return vectors.t().flip(0)"), [
        "PCA: gives a 4 x 4 tensor, expected two tensors: the mean and the basis",
    ]),
    "the old function": ((EIGH, "_, vectors = torch.eig(centered.t() @ centered, True)"), None),
    "a loop over samples": ((EIGH, "_, vectors = torch.linalg.eigh(sum(s.outer(s) for s in centered))"), [
        "PCA: line 41 is a loop: one product of matrices gives the covariance",
    ]),
    "standardised": ((CENTERED, "centered = (x - mean) / x.std(0)"), [
        "PCA: the rows are not the directions of largest variance",
    ]),
}  # fmt: skip

# Lines with more from torch or Python than we want to repeat.
BEGINNINGS = {
    "no default": "compute_nb_errors: takes (train_input",
    "the old function": "PCA: line 41: torch has no eig any more: write torch.linalg.eig(M),"
    " or for a symmetric M torch.linalg.eigh(M)",
}


@pytest.mark.parametrize("title", WRONG)
def test_what_is_wrong_is_told(tmp_path: Path, title: str) -> None:
    change, expected = WRONG[title]
    lines = list_lines(2, vary(SOLUTION, change), tmp_path)
    if expected is None:
        assert len(lines) == 1
        assert lines[0].startswith(f"wrong {BEGINNINGS[title]}")
    else:
        assert lines == [f"wrong {line}" for line in expected]


RIGHT = {
    "the norm": (DISTANCES, "distances = (train_input - x).norm(dim=1)"),
    "cdist": (DISTANCES, "distances = torch.cdist(train_input, x.view(1, -1)).flatten()"),
    "a number": (NEAREST, "return train_target[distances.argmin()].item()"),
    "min": (NEAREST, "return train_target[distances.min(0).indices]"),
    "a tensor of one": (COUNT, "return nb_errors"),
    "no projection of the mean": (CENTER, "train_input, test_input = train_input - mean, test_input - mean[None]"),
    "a mean of one row": (MEAN, "mean = x.mean(0, keepdim=True)"),
    "SVD": (ROWS, "return mean, torch.linalg.svd(centered, full_matrices=True).Vh"),
    "eig and sort": (
        EIGH,
        "values, vectors = torch.linalg.eig(torch.cov(x.t()).view(x.size(1), x.size(1)))\n"
        "    vectors = vectors.real[:, values.real.argsort()]",
    ),
    "other signs": (ROWS, "return mean, -vectors.t().flip(0)"),
    "a list": (ROWS, "return [mean, vectors.t().flip(0)]"),
}


@pytest.mark.parametrize("title", RIGHT)
def test_other_ways_are_right_too(tmp_path: Path, title: str) -> None:
    lines = list_lines(2, vary(SOLUTION, RIGHT[title]), tmp_path)
    assert lines == []


def test_eig_has_a_note_and_so_has_one_dimension(tmp_path: Path) -> None:
    lines = list_all(2, vary(SOLUTION, (EIGH, "values, vectors = torch.linalg.eig(torch.cov(x.t()))\n"
        "    vectors = vectors.real[:, values.real.argsort()]")), tmp_path)  # fmt: skip
    assert [line.split(":")[0] for line in lines] == ["note PCA"] * len(lines)
    assert "line 41: torch.linalg.eigh is better here than eig" in lines[0]
    assert "of 3 samples in 1 dimension: " in lines[-1]


def test_a_mistake_in_one_function_is_not_told_of_the_next(tmp_path: Path) -> None:
    text = vary(SOLUTION, (NEAREST, "return distances.argmin()"))
    assert [line.split(":")[0] for line in list_lines(2, text, tmp_path)] == ["wrong nearest_classification"]


def test_a_function_that_needs_one_that_is_not_done_is_checked_all_the_same(tmp_path: Path) -> None:
    body = f"    {DISTANCES}\n    {NEAREST}\n"
    text = vary(SOLUTION, (body, "    raise NotImplementedError\n"))
    assert list_lines(2, text, tmp_path) == ["todo nearest_classification: not done yet"]
