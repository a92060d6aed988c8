"""A network that removes noise, made with torch.nn. Keep the class and its methods: a grader calls them."""

from pathlib import Path

import torch
from torch import Tensor, nn

BEST = Path(__file__).with_name("bestmodel.pth")


class Model:
    """Learns from pairs of noisy pictures. To do: another network than one convolution."""

    def __init__(self) -> None:
        self.network = nn.Conv2d(3, 3, kernel_size=5, padding=2)
        nn.init.dirac_(self.network.weight)  # it begins with what it gets
        nn.init.zeros_(self.network.bias)

    def train(self, train_input: Tensor, train_target: Tensor, num_epochs: int = 3) -> None:
        """Learn to predict one noisy version from the other (N x 3 x 32 x 32 each, from 0 to 255)."""
        optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)
        for _ in range(num_epochs):
            for batch in torch.randperm(train_input.size(0)).split(50):
                output = self.network(train_input[batch].float() / 255)
                loss = nn.functional.mse_loss(output, train_target[batch].float() / 255)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Return the pictures `x` (N x 3 x 32 x 32, from 0 to 255) without the noise, from 0 to 255."""
        return 255 * self.network(x.float() / 255).clamp(0, 1)

    def save(self) -> None:
        """Write what was learned into bestmodel.pth."""
        torch.save(self.network.state_dict(), BEST)

    def load_pretrained_model(self) -> None:
        """Read bestmodel.pth."""
        self.network.load_state_dict(torch.load(BEST))
