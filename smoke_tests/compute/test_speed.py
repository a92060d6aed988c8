"""Figures: the speed of products, of a training step and of copies. They are recorded; only their order is judged."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest
import torch
from torch import nn
from torchvision import models

from .figures import seconds_per_call

Record = Callable[[str, torch.device, float, str], None]
Precision = Callable[[], AbstractContextManager[object]]


@contextmanager
def tf32() -> Iterator[None]:
    """Products and convolutions of float32 in the 19 bits of TF32, as most training scripts allow."""
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False


def measure_product(device: torch.device, dtype: torch.dtype) -> tuple[int, float]:
    """Return the size of the square matrices, and TFLOP/s of their product."""
    size = 8192 if device.type == "cuda" else 1024
    a, b = torch.randn(2, size, size, device=device).to(dtype)
    return size, 2 * size**3 / seconds_per_call(lambda: a @ b, device) / 1e12


def measure_training(device: torch.device, batch: int, precision: Precision) -> float:
    """Images of 224 x 224 a second in training steps of ResNet-18."""
    net = models.resnet18(weights=None).to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    images = torch.randn(batch, 3, 224, 224, device=device)
    labels = torch.randint(1000, (batch,), device=device)
    losses = []

    def step() -> None:
        optimizer.zero_grad()
        with precision():
            loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())

    seconds = seconds_per_call(step, device, budget=1.0)
    assert torch.stack(losses).isfinite().all() and losses[-1] < losses[0]
    return batch / seconds


def test_product_of_matrices(device: torch.device, record: Record) -> None:
    size, single = measure_product(device, torch.float32)
    record(f"matmul float32, {size} x {size}", device, single, "TFLOP/s")
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
        with tf32():
            record(f"matmul TF32, {size} x {size}", device, measure_product(device, torch.float32)[1], "TFLOP/s")
        half = measure_product(device, torch.bfloat16)[1]
        record(f"matmul bfloat16, {size} x {size}", device, half, "TFLOP/s")
        assert half > single, "bfloat16 is no faster than float32: the tensor cores are not used"


def test_training_step(device: torch.device, record: Record) -> None:
    batch = 64 if device.type == "cuda" else 4
    name = f"ResNet-18 training, batch {batch}"
    record(f"{name}, float32", device, measure_training(device, batch, nullcontext), "images/s")
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
        with tf32():
            record(f"{name}, TF32", device, measure_training(device, batch, nullcontext), "images/s")
        autocast = functools.partial(torch.autocast, "cuda", dtype=torch.bfloat16)
        record(f"{name}, bfloat16", device, measure_training(device, batch, autocast), "images/s")


@pytest.mark.gpu
def test_copies_to_and_from_the_gpu(record: Record) -> None:
    device = torch.device("cuda")
    there = torch.empty(256 << 20, dtype=torch.uint8, device=device)
    here = torch.empty_like(there, device="cpu", pin_memory=True)
    for name, target, source in (("copy to the GPU", there, here), ("copy from the GPU", here, there)):
        seconds = seconds_per_call(functools.partial(target.copy_, source, non_blocking=True), device)
        record(f"{name}, pinned", device, there.numel() / seconds / 1e9, "GB/s")
