"""matplotlib draws tensors into a file, without a screen."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402


def test_a_curve_and_an_image(device: torch.device, tmp_path: Path) -> None:
    losses = torch.linspace(1, 0, 20, device=device, requires_grad=True)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(6, 3), dpi=100)
    left.plot(losses.detach().cpu().numpy(), color="#ff0000", linewidth=4, label="loss, $e^{-x}$")
    left.legend()
    right.imshow(torch.tensor([[0.0, 1.0], [1.0, 0.0]], device=device).cpu().numpy(), cmap="gray")
    figure.savefig(tmp_path / "figure.png")
    pyplot.close(figure)
    pixels = numpy.asarray(Image.open(tmp_path / "figure.png").convert("RGB"))
    assert pixels.shape == (300, 600, 3)
    assert (pixels[:, :300] == (255, 0, 0)).all(axis=2).sum() > 500  # the curve
    assert (pixels[:, 300:] == (0, 0, 0)).all(axis=2).sum() > 5000  # two of four squares
