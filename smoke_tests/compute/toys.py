"""A tiny task that a tiny network must learn: four kinds of noisy stripes and checks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

SIZE = 16
STEPS = 30
LOSS_FALLS = 10  # times, at least, in STEPS steps


def make_images(count: int, *, seed: int = 1) -> tuple[Tensor, Tensor]:
    """`count` images and their labels: rows, columns, checks or nothing but noise."""
    generator = torch.Generator().manual_seed(seed)
    stripes = (torch.arange(SIZE) // 2 % 2 * 2.0 - 1).expand(SIZE, SIZE)
    kinds = torch.stack([stripes, stripes.T, stripes * stripes.T, torch.zeros(SIZE, SIZE)])
    labels = torch.randint(4, (count,), generator=generator)
    noise = torch.randn(count, SIZE, SIZE, generator=generator)
    return (kinds[labels] + noise)[:, None], labels


def make_net() -> nn.Sequential:
    """Return a convolutional network with the same weights every time, on the CPU."""
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, stride=2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    )


def make_optimizer(net: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)


def train(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    steps: int,
    precision: Callable[[], AbstractContextManager[object]] = nullcontext,
    scaler: torch.amp.GradScaler | None = None,
) -> list[float]:
    """Train on the device where `net` is; return the loss before each step."""
    device = next(net.parameters()).device
    images, labels = (tensor.to(device) for tensor in make_images(256))
    scaler = scaler or torch.amp.GradScaler(device.type, enabled=False)
    losses = []
    net.train()
    for _ in range(steps):
        optimizer.zero_grad()
        with precision():
            loss = nn.functional.cross_entropy(net(images), labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def accuracy(net: nn.Module) -> float:
    """Return the part of images never seen in training that `net` tells right."""
    device = next(net.parameters()).device
    images, labels = (tensor.to(device) for tensor in make_images(512, seed=3))
    return (net.eval()(images).argmax(dim=1) == labels).float().mean().item()
