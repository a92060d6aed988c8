"""Networks that tell the hand of an upcoming key press from half a second of EEG (N x 28 x 50, or N x 28 x 500)."""

from torch import Tensor, nn


class Logistic(nn.Module):
    """One layer on all values: logistic regression."""

    def __init__(self, nb_times: int = 50) -> None:
        super().__init__()
        self.fc = nn.Linear(28 * nb_times, 2)

    def forward(self, input: Tensor) -> Tensor:
        return self.fc(input.flatten(1))


class ConvNet(nn.Module):
    """Convolutions along time only: what counts is which electrodes differ, and how slowly."""

    def __init__(self, dropout: float, nb_times: int = 50) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout1d(dropout / 4),  # whole electrodes
            nn.Conv1d(28, 16, kernel_size=1),  # 16 weighted sums of the electrodes
            nn.AvgPool1d(nb_times // 10),  # 20 Hz: the potential before a movement is slow
            nn.Conv1d(16, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(16 * 10, 2),
        )

    def forward(self, input: Tensor) -> Tensor:
        return self.layers(input)
