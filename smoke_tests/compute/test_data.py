"""DataLoader: worker processes, which hand their batches over through /dev/shm."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .devices import why_no_gpu

SHARED = Path("/dev/shm")
NEEDED = 16 << 20  # bytes: some batches of this test at once; real ones need more
CURE = "start the container with --shm-size=2g (Kubernetes: mount an emptyDir of medium Memory there)"


class Pictures(Dataset[tuple[Tensor, int, int]]):
    """Image number i is filled with i; with it comes a random number of the worker that made it."""

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> tuple[Tensor, int, int]:
        return torch.full((3, 64, 64), float(index)), index, int(torch.randint(1 << 30, ()))


def load(seed: int, *, workers: int = 2) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return the batches of one epoch, shuffled with `seed`."""
    loader = DataLoader(
        Pictures(),
        batch_size=16,
        shuffle=True,
        num_workers=workers,
        generator=torch.Generator().manual_seed(seed),
        pin_memory=not why_no_gpu(),
        timeout=60 if workers else 0,
    )
    try:
        return [tuple(batch) for batch in loader]
    except RuntimeError as error:
        pytest.fail(f"{error}\n/dev/shm is too small or cannot be written: {CURE}", pytrace=False)


@pytest.fixture(autouse=True)
def shared_memory() -> None:
    if sys.platform == "linux":
        space = os.statvfs(SHARED) if SHARED.is_dir() else None
        free = space.f_bavail * space.f_frsize if space else 0
        if free < NEEDED or not os.access(SHARED, os.W_OK):
            pytest.fail(f"DataLoader's workers need /dev/shm, which has {free >> 20} MB free: {CURE}", pytrace=False)


def test_workers_deliver_every_sample_once_and_intact() -> None:
    batches = load(seed=4)
    indices = torch.cat([index for _, index, _ in batches])
    assert torch.equal(indices.sort().values, torch.arange(64)) and not torch.equal(indices, torch.arange(64))
    assert all(torch.equal(image, index[:, None, None, None].expand_as(image)) for image, index, _ in batches)


def test_the_same_seed_gives_the_same_epoch_and_other_numbers_to_each_worker() -> None:
    one, two, other = ([torch.cat(part) for part in zip(*load(seed), strict=True)] for seed in (4, 4, 5))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert not torch.equal(one[1], other[1])
    assert len(set(one[2].tolist())) > 60  # workers with one seed for all would give every number twice


def test_batches_reach_the_device(device: torch.device) -> None:
    total = sum(image.to(device, non_blocking=True).sum() for image, _, _ in load(seed=4))
    assert total.item() == 3 * 64 * 64 * sum(range(64))
