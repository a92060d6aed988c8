"""course-check 6: the solution is right, the embryo not done, and every mistake has its own line."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed beside pytest: the checks are not tried here")

from checked import PRACTICALS, list_lines, read_solution, vary
from course_tools.checks import practical_6

ADDED = "return F.relu(y + x if self.skip_connections else y)"
BLOCK_NORM = "self.bn2 = nn.BatchNorm2d(nb_channels) if batch_normalization else nn.Identity()"
TOLD = "ResNetBlock(nb_channels, kernel_size, skip_connections, batch_normalization)"
NORM = "norms[number, sample] = block.conv1.weight.grad.norm()"
WRONG = {
    "always added": (ADDED, "return F.relu(y + x)", "ResNetBlock: with skip_connections=False its input still reaches"),
    "never added": (ADDED, "return F.relu(y)", "ResNetBlock: with skip_connections=True and convolutions of zeros its"),
    "norm stays": (
        BLOCK_NORM,
        "self.bn2 = nn.BatchNorm2d(nb_channels)",
        "ResNetBlock: has 1 nn.BatchNorm2d with batch_normalization=False, expected 0",
    ),
    "default": (
        "kernel_size: int, skip_connections: bool = True, batch_normalization: bool = True\n",
        "kernel_size: int, skip_connections: bool = True, batch_normalization: bool = False\n",
        "ResNetBlock: batch_normalization should be True when it is not given",
    ),
    "blocks not told of the norm": (
        TOLD,
        "ResNetBlock(nb_channels, kernel_size, skip_connections)",
        "ResNet: has 4 nn.BatchNorm2d with batch_normalization=False, expected 0",
    ),
    "blocks not told of the skip": (
        TOLD,
        "ResNetBlock(nb_channels, kernel_size, batch_normalization=batch_normalization)",
        "ResNet: with skip_connections=False what enters a block still passes there",
    ),
    "first norm stays": (
        "self.bn = nn.BatchNorm2d(nb_channels) if batch_normalization else nn.Identity()",
        "self.bn = nn.BatchNorm2d(nb_channels)",
        "ResNet: has 1 nn.BatchNorm2d with batch_normalization=False, expected 0",
    ),
    "adds up": ("        model.zero_grad()\n", "", "get_stats: equal samples have different norms, from "),
    "second convolution": (
        NORM,
        NORM.replace("conv1", "conv2"),
        "get_stats: takes the second convolution of each block",
    ),
    "bias": (NORM, NORM.replace("conv1.weight", "conv1.bias"), "get_stats: takes the biases: expected the gradient"),
    "weights": (NORM, NORM.replace("weight.grad", "weight"), "get_stats: takes the weights, not their gradients"),
    "square": (NORM, NORM.replace("norm()", "pow(2).sum()"), "get_stats: takes the square of the norm: expected"),
    "transposed": (
        "    return norms\n",
        "    return norms.t()\n",
        "get_stats: gives a 5 x 30 tensor, expected a 30 x 5 tensor",
    ),
    "blocks": ("NB_BLOCKS = 30", "NB_BLOCKS = 20", "get_stats: gives a 20 x 5 tensor, expected a 30 x 5 tensor"),
}


@pytest.fixture
def few_samples(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A change of the solution that spares time: the check expects as few samples."""
    monkeypatch.setattr(practical_6, "NB_SAMPLES", 5)
    return "NB_SAMPLES = 100", "NB_SAMPLES = 5"


def test_solution_is_right(tmp_path: Path) -> None:
    assert list_lines(6, read_solution(6), tmp_path) == []


def test_embryo_is_not_done(tmp_path: Path) -> None:
    lines = list_lines(6, (PRACTICALS / "practical-6/dlc_practical_6_embryo.py").read_text(), tmp_path)
    assert len(lines) == 3 and all(line.startswith("todo ") for line in lines)


@pytest.mark.parametrize("mistake", WRONG)
def test_mistake_has_its_line(tmp_path: Path, few_samples: tuple[str, str], mistake: str) -> None:
    old, new, line = WRONG[mistake]
    lines = list_lines(6, vary(read_solution(6), few_samples, (old, new)), tmp_path)
    assert lines and lines[0].startswith(f"wrong {line}"), lines
