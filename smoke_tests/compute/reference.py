"""How far a result may be from the same computation in float64 on the CPU."""

from __future__ import annotations

import torch

# Relative to the largest magnitude of the result. Rounding makes some 5e-7 of float32, and faster algorithms for
# convolutions ten times as much; the 5e-4 of TF32 must not slip in. The 16 bit types round the result itself to half a
# unit in the last place (2e-4 and 2e-3), and a GPU may add up parts of it in that precision too.
TOLERANCES = {torch.float64: 1e-12, torch.float32: 5e-5, torch.float16: 5e-3, torch.bfloat16: 2e-2}


def error(result: torch.Tensor, reference: torch.Tensor) -> float:
    """Return the largest difference, relative to the largest magnitude of `reference`."""
    assert result.shape == reference.shape
    difference = result.detach().cpu().to(reference.dtype) - reference
    return (difference.abs().max() / reference.abs().max()).item()


def randn(*shape: int, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the same normal numbers, on `device` as `dtype`, and as float64 on the CPU."""
    values = torch.randn(*shape, dtype=torch.float64).to(dtype)
    return values.to(device), values.double()
