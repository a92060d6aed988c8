"""Your networks. MODELS lists them: test.py trains each, and test_submission.py looks at each.

A network takes pairs (N x 2 x 14 x 14) and gives the scores of "the first digit is larger" and "it is not" (N x 2); one
with an auxiliary loss gives (scores, scores of the digits), the latter N x 2 x 10.
"""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional


class Baseline(nn.Module):
    """The two digits as two channels of one picture: one convolution, two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 8, kernel_size=3)
        self.fc1 = nn.Linear(8 * 6 * 6, 32)
        self.fc2 = nn.Linear(32, 2)

    def forward(self, input: Tensor) -> Tensor:
        x = functional.relu(functional.max_pool2d(self.conv(input), 2))
        return self.fc2(functional.relu(self.fc1(x.flatten(1))))


# To do: networks that share weights between the digits, and networks with an auxiliary loss on the digits' classes.

MODELS: dict[str, Callable[[], nn.Module]] = {"baseline": Baseline}
