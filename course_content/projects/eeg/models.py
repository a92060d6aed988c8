"""Your networks: from half a second of EEG (N x 28 x 50) to the scores of the left and of the right hand (N x 2)."""

from torch import Tensor, nn


class Baseline(nn.Module):
    """Logistic regression: one layer on all values."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(28 * 50, 2)

    def forward(self, input: Tensor) -> Tensor:
        return self.fc(input.flatten(1))


# To do: a multi-layer perceptron, a convolutional network along time (nn.Conv1d), dropout, batch normalization, ...
