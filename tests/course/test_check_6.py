"""course-check 6: the solution is right, the embryo not done, and every mistake has its own line."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed beside pytest: the checks are not tried here")

from checked import PRACTICALS, list_first, list_lines, read_solution, vary
from course_tools.check import practical_6

ADDED = "return F.relu(y + x if self.skip_connections else y)"
BLOCK_NORM = "self.bn2 = nn.BatchNorm2d(nb_channels) if batch_normalization else nn.Identity()"
TOLD = "ResNetBlock(nb_channels, kernel_size, skip_connections, batch_normalization)"
GRADIENTS = "gradients = [block.conv1.weight.grad for block in model.resnet_blocks]"
ONE = "loss = criterion(model(input[sample : sample + 1]), target[sample : sample + 1])"
TAKEN = "torch.stack([gradient.norm() for gradient in gradients])"
FLAGS = "NB_BLOCKS, NB_CHANNELS, skip_connections=skip_connections, batch_normalization=batch_normalization"
WANTED = ": expected the norm of the gradient"
FORWARD = "y = F.relu(self.bn1(self.conv1(x)))"

FEW_BLOCKS, FEW_SAMPLES = 4, 6
SMALL = (("NB_BLOCKS = 30", f"NB_BLOCKS = {FEW_BLOCKS}"), ("NB_SAMPLES = 100", f"NB_SAMPLES = {FEW_SAMPLES}"))
"""Changes of the solution that spare time; the solution itself is also checked at full size."""
WRONG = {
    "always added": (
        ADDED,
        "return F.relu(y + x)",
        "ResNetBlock: with skip_connections=False and batch_normalization=True its input still reaches the output",
    ),
    "never added": (
        ADDED,
        "return F.relu(y)",
        "ResNetBlock: with skip_connections=True and batch_normalization=True its input is not added",
    ),
    "added late": (
        ADDED,
        "return F.relu(y) + x if self.skip_connections else F.relu(y)",
        "ResNetBlock: with skip_connections=True and batch_normalization=True its input is added after the last ReLU",
    ),
    "no inner ReLU": (
        FORWARD,
        "y = self.bn1(self.conv1(x))",
        "ResNetBlock: with skip_connections=True and batch_normalization=True there is no ReLU between",
    ),
    "no last ReLU": (
        ADDED,
        "return y + x if self.skip_connections else y",
        "ResNetBlock: with skip_connections=True and batch_normalization=True there is no ReLU at its end",
    ),
    "no ReLU without skip": (
        ADDED,
        "return F.relu(y + x) if self.skip_connections else y",
        "ResNetBlock: with skip_connections=False and batch_normalization=True there is no ReLU at its end",
    ),
    "ReLU before norm": (
        FORWARD,
        "y = self.bn1(F.relu(self.conv1(x)))",
        "ResNetBlock: with skip_connections=True and batch_normalization=True it does not give what",
    ),
    "norm stays": (
        BLOCK_NORM,
        "self.bn2 = nn.BatchNorm2d(nb_channels)",
        "ResNetBlock: uses 1 nn.BatchNorm2d with batch_normalization=False, expected 0",
    ),
    "shared running state": (BLOCK_NORM, "self.bn2 = self.bn1", "ResNetBlock: uses the same nn.BatchNorm2d twice"),
    "shared convolution": (
        "y = self.bn2(self.conv2(y))",
        "y = self.bn2(self.conv1(y))",
        "ResNetBlock: uses the same nn",
    ),
    "default": (
        "kernel_size: int, skip_connections: bool = True, batch_normalization: bool = True\n",
        "kernel_size: int, skip_connections: bool = True, batch_normalization: bool = False\n",
        "ResNetBlock: batch_normalization should be True when it is not given",
    ),
    "no default": (
        "kernel_size: int, skip_connections: bool = True, batch_normalization: bool = True\n",
        "kernel_size: int, skip_connections: bool, batch_normalization: bool = True\n",
        "ResNetBlock: skip_connections should be True when it is not given",
    ),
    "default of the network": (
        "        skip_connections: bool = True,\n",
        "        skip_connections: bool = False,\n",
        "ResNet: skip_connections should be True when it is not given",
    ),
    "blocks not told of the norm": (
        TOLD,
        "ResNetBlock(nb_channels, kernel_size, skip_connections)",
        "ResNet: uses 4 nn.BatchNorm2d with batch_normalization=False, expected 0",
    ),
    "blocks not told of the skip": (
        TOLD,
        "ResNetBlock(nb_channels, kernel_size, batch_normalization=batch_normalization)",
        "ResNet: with skip_connections=False what enters a block still passes there",
    ),
    "first norm stays": (
        "self.bn = nn.BatchNorm2d(nb_channels) if batch_normalization else nn.Identity()",
        "self.bn = nn.BatchNorm2d(nb_channels)",
        "ResNet: uses 1 nn.BatchNorm2d with batch_normalization=False, expected 0",
    ),
    "one block many times": (
        "*(\n                ResNetBlock(nb_channels, kernel_size, skip_connections, batch_normalization)\n"
        "                for _ in range(nb_residual_blocks)\n            )",
        "*[ResNetBlock(nb_channels, kernel_size, skip_connections, batch_normalization)] * nb_residual_blocks",
        "ResNet: uses the same nn.Conv2d twice",
    ),
    "switches exchanged": (
        FLAGS,
        "NB_BLOCKS, NB_CHANNELS, skip_connections=batch_normalization, batch_normalization=skip_connections",
        "get_stats: called with skip_connections=True it makes a network with skip_connections=False",
    ),
    "switch not handed on": (
        FLAGS,
        "NB_BLOCKS, NB_CHANNELS, skip_connections=skip_connections",
        "get_stats: called with batch_normalization=False it makes a network with batch_normalization=True",
    ),
    "channels": ("NB_CHANNELS = 10", "NB_CHANNELS = 12", "get_stats: has a network of 12 channels, expected 10"),
    "blocks": (
        f"NB_BLOCKS = {FEW_BLOCKS}",
        f"NB_BLOCKS = {FEW_BLOCKS - 1}",
        f"get_stats: has a network of {FEW_BLOCKS - 1} blocks, expected {FEW_BLOCKS}",
    ),
    "evaluation": (
        "    criterion = nn.CrossEntropyLoss()\n",
        "    criterion = nn.CrossEntropyLoss()\n    model.eval()\n",
        "get_stats: puts the network into evaluation mode",
    ),
    "mini-batch": (
        ONE,
        ONE.replace("[sample : sample + 1]", "[:100]"),
        "get_stats: shows 100 x 3 x 32 x 32 to the network, expected one sample",
    ),
    "always the first": (ONE, ONE.replace("[sample : sample + 1]", "[:1]"), "get_stats: shows the same sample each"),
    "adds up": ("        model.zero_grad()\n", "", "get_stats: lets the gradients of the samples add up"),
    "trains": (
        f"norms[:, sample] = {TAKEN}",
        f"norms[:, sample] = {TAKEN}\n"
        "        with torch.no_grad():\n"
        "            [p.sub_(0.01 * p.grad) for p in model.parameters() if sample]",
        "get_stats: later samples have other norms than the same ones before",
    ),
    "second convolution": (
        GRADIENTS,
        GRADIENTS.replace("conv1", "conv2"),
        f"get_stats: takes a block's second convolution{WANTED}",
    ),
    "bias": (
        GRADIENTS,
        GRADIENTS.replace("weight", "bias"),
        f"get_stats: takes a block's biases of its first convolution{WANTED}",
    ),
    "weights": (GRADIENTS, GRADIENTS.replace(".grad", ""), f"get_stats: takes a block's weights{WANTED}"),
    "square": (TAKEN, TAKEN.replace("norm()", "pow(2).sum()"), "get_stats: takes the square of a norm: expected"),
    "mean": (TAKEN, TAKEN.replace("norm()", "abs().mean()"), "get_stats: takes a mean of a gradient's elements"),
    "maximum": (TAKEN, TAKEN.replace("norm()", "abs().max()"), "get_stats: takes the largest element of a gradient"),
    "other norm": (TAKEN, TAKEN.replace("norm()", "norm(1)"), "get_stats: does not give the norms of the gradients"),
    "backwards": (TAKEN, f"{TAKEN}.flip(0)", "get_stats: gives the blocks from the last to the first"),
    "other loss": (ONE, f"{ONE} * 2", "get_stats: does not give the norms of the gradients"),
    "not filled": (
        "norms = torch.empty(NB_BLOCKS, nb_samples)",
        "norms = torch.zeros(NB_BLOCKS, nb_samples)\n    nb_samples -= 1",
        "get_stats: gives norms that are not finite and positive",
    ),
    "transposed": (
        "    return norms\n",
        "    return norms.t()\n",
        f"get_stats: gives a {FEW_SAMPLES} x {FEW_BLOCKS} tensor, expected a {FEW_BLOCKS} x {FEW_SAMPLES} tensor",
    ),
    "list": (
        "    return norms\n",
        "    return norms.tolist()\n",
        f"get_stats: gives a list of {FEW_BLOCKS}, expected a tensor",
    ),
}


@pytest.fixture
def solution(monkeypatch: pytest.MonkeyPatch) -> str:
    """The solution with few blocks and samples, which the check then expects."""
    monkeypatch.setattr(practical_6, "NB_BLOCKS", FEW_BLOCKS)
    monkeypatch.setattr(practical_6, "NB_SAMPLES", FEW_SAMPLES)
    return vary(read_solution(6), *SMALL)


@pytest.mark.slow
def test_solution_is_right(tmp_path: Path) -> None:
    assert list_lines(6, read_solution(6), tmp_path) == []


def test_normalization_that_is_made_but_not_used_is_right_too(tmp_path: Path, solution: str) -> None:
    text = vary(
        solution,
        (BLOCK_NORM, "self.bn2, self.normalizes = nn.BatchNorm2d(nb_channels), batch_normalization"),
        ("y = self.bn2(self.conv2(y))", "y = self.bn2(self.conv2(y)) if self.normalizes else self.conv2(y)"),
    )
    assert list_lines(6, text, tmp_path) == []


def test_random_numbers_before_the_network_are_right_too(tmp_path: Path, solution: str) -> None:
    text = vary(solution, ("    model = ResNet(\n", "    torch.randn(7)\n    model = ResNet(\n"))
    assert list_lines(6, text, tmp_path) == []


def test_embryo_is_not_done(tmp_path: Path) -> None:
    lines = list_lines(6, (PRACTICALS / "practical-6/dlc_practical_6_embryo.py").read_text(), tmp_path)
    assert len(lines) == 3 and all(line.startswith("todo ") for line in lines)


@pytest.mark.parametrize("mistake", WRONG)
def test_mistake_has_its_line(tmp_path: Path, solution: str, mistake: str) -> None:
    old, new, line = WRONG[mistake]
    lines = list_first(6, vary(solution, (old, new)), tmp_path)
    assert lines and lines[0].startswith(f"wrong {line}"), lines


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("", "prologue.load_data(cifar=True, normalize=True, flatten=False)"),
        ("", "prologue.read_cifar()"),
        ("from dlc_practical_prologue import load_data\n", "load_data(cifar=True)"),
    ],
)
def test_samples_may_be_loaded_in_any_way(tmp_path: Path, solution: str, imports: str, call: str) -> None:
    """The check gives its own samples to all of them, and needs no data set."""
    start = solution.index("    import dlc_practical_prologue as prologue")
    end = solution.index("    return", start)
    loads = f"    import dlc_practical_prologue as prologue\n\n    input, target, *_ = {call}\n"
    text = f"{solution[:start]}{loads}{solution[end:]}"
    text = text.replace("import torch\n", f"import torch\n{imports}", 1)
    assert list_lines(6, text, tmp_path) == []
