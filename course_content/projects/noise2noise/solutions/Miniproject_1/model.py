"""Noise2Noise with torch.nn: a small convolutional network that predicts the noise."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

BEST = Path(__file__).with_name("bestmodel.pth")
NB_CHANNELS, BATCH = 16, 25


class Denoiser(nn.Module):
    """Two scales: convolutions on half the size see further for the same price; the output is added to the input."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, NB_CHANNELS, kernel_size=3, padding=1)
        self.down = nn.Conv2d(NB_CHANNELS, 2 * NB_CHANNELS, kernel_size=3, stride=2, padding=1)
        self.coarse = nn.Conv2d(2 * NB_CHANNELS, 2 * NB_CHANNELS, kernel_size=3, padding=1)
        self.up = nn.ConvTranspose2d(2 * NB_CHANNELS, NB_CHANNELS, kernel_size=2, stride=2)
        self.merge = nn.Conv2d(2 * NB_CHANNELS, NB_CHANNELS, kernel_size=3, padding=1)
        self.out = nn.Conv2d(NB_CHANNELS, 3, kernel_size=3, padding=1)
        nn.init.zeros_(self.out.weight)  # at first the output is the input
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        fine = functional.relu(self.fine(x))
        coarse = functional.relu(self.coarse(functional.relu(self.down(fine))))
        merged = functional.relu(self.merge(torch.cat([fine, functional.relu(self.up(coarse))], 1)))
        return x + self.out(merged)


class Model:
    """The interface that a grader calls; pictures are N x 3 x 32 x 32, from 0 to 255."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.network = Denoiser().to(device)

    def train(self, train_input: Tensor, train_target: Tensor, num_epochs: int = 8) -> None:
        """Learn to predict one noisy version from the other: on average that is the clean picture."""
        x, target = (pictures.to(self.device).float() / 255 for pictures in (train_input, train_target))
        optimizer = torch.optim.Adam(self.network.parameters(), lr=2e-3)
        nb_steps = num_epochs * -(-len(x) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=max(2, nb_steps))
        for _ in range(num_epochs):
            for batch in torch.randperm(len(x), device=self.device).split(BATCH):
                loss = functional.mse_loss(self.network(x[batch]), target[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Return the pictures without the noise."""
        parts = [self.network(part.to(self.device).float() / 255) for part in x.split(100)]
        return 255 * torch.cat(parts).clamp(0, 1).to(x.device)

    def save(self) -> None:
        torch.save({name: tensor.cpu() for name, tensor in self.network.state_dict().items()}, BEST)

    def load_pretrained_model(self) -> None:
        self.network.load_state_dict(torch.load(BEST, map_location=self.device))
