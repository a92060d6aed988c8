"""The GPU: there is none and the reason is known, or each one is usable, with its memory, streams and kernels."""

from __future__ import annotations

import gc
import os
import re
import warnings
from pathlib import Path

import pytest
import torch

from .devices import why_no_gpu

MEBIBYTE = 1 << 20


def test_a_gpu_that_is_visible_is_usable() -> None:
    """A device file says that there is a GPU; then a build for CUDA has no excuse."""
    visible = sorted(str(path) for path in Path("/dev").glob("nvidia[0-9]*"))
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if torch.version.cuda and visible and not hidden:
        assert torch.cuda.is_available(), f"{', '.join(visible)} cannot be used: {why_no_gpu()}"
    assert torch.cuda.is_available() == (torch.cuda.device_count() > 0)


def test_no_gpu_is_an_error_with_a_reason() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert why_no_gpu()
    with pytest.raises((RuntimeError, AssertionError)):
        torch.ones(1, device="cuda")


def test_a_deprecated_call_in_these_tests_is_an_error() -> None:
    with pytest.raises(FutureWarning):
        warnings.warn("will be removed", FutureWarning, stacklevel=1)


def runs_on(architecture: str, capability: tuple[int, int]) -> bool:
    """Machine code (sm_XY) serves its own X from Y on, PTX (compute_XY) all that came later; a suffix narrows both."""
    found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", architecture)
    assert found, f"{architecture} is no architecture of NVIDIA's"
    kind, suffix, built = found[1], found[4], (int(found[2]), int(found[3]))
    if suffix == "a":
        return capability == built
    return capability >= built and (capability[0] == built[0] or (kind == "compute" and not suffix))


@pytest.mark.parametrize(
    ("architecture", "capability", "expected"),
    [
        ("sm_80", (8, 9), True),
        ("sm_86", (8, 0), False),
        ("sm_75", (8, 0), False),
        ("compute_75", (9, 0), True),
        ("compute_100", (9, 0), False),
        ("sm_90a", (9, 0), True),
        ("compute_90a", (10, 0), False),
        ("compute_120f", (12, 1), True),
    ],
)
def test_which_code_runs_on_which_gpu(architecture: str, capability: tuple[int, int], expected: bool) -> None:
    assert runs_on(architecture, capability) == expected


@pytest.mark.gpu
def test_torch_has_kernels_for_every_gpu() -> None:
    built = torch.cuda.get_arch_list()
    for index in range(torch.cuda.device_count()):
        capability = torch.cuda.get_device_capability(index)
        text = f"{torch.cuda.get_device_name(index)} is sm_{capability[0]}{capability[1]}"
        assert any(runs_on(architecture, capability) for architecture in built), f"{text}, torch is for {built}"


@pytest.mark.gpu
def test_every_gpu_computes_and_exchanges_data() -> None:
    values = torch.arange(1024, dtype=torch.float32)
    there = values
    for index in range(torch.cuda.device_count()):
        there = there.to(f"cuda:{index}") + 1  # from the GPU before it
        assert torch.equal(there.cpu(), values + index + 1)


@pytest.mark.gpu
def test_memory_is_taken_and_given_back() -> None:
    gc.collect()
    torch.cuda.empty_cache()
    allocated, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    block = torch.empty(256 * MEBIBYTE, dtype=torch.uint8, device="cuda")
    assert torch.cuda.memory_allocated() == allocated + 256 * MEBIBYTE
    assert torch.cuda.max_memory_allocated() >= allocated + 256 * MEBIBYTE
    del block
    assert torch.cuda.memory_allocated() == allocated
    assert torch.cuda.memory_reserved() >= reserved + 256 * MEBIBYTE  # kept for the next tensor
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() == reserved


@pytest.mark.gpu
def test_work_goes_on_after_out_of_memory() -> None:
    with pytest.raises(torch.cuda.OutOfMemoryError):
        torch.empty(2 * torch.cuda.get_device_properties(0).total_memory, dtype=torch.uint8, device="cuda")
    assert torch.ones(8, device="cuda").sum().item() == 8


@pytest.mark.gpu
def test_two_streams_work_in_the_order_of_their_event() -> None:
    matrix = torch.randint(4, (2048, 2048), device="cuda").float()  # small whole numbers: the result is exact
    first, second = torch.cuda.Stream(), torch.cuda.Stream()
    first.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(first):
        product = matrix @ matrix
        ready = first.record_event()
    second.wait_event(ready)
    with torch.cuda.stream(second):
        total = product + matrix
    torch.cuda.synchronize()
    assert torch.equal(total, matrix @ matrix + matrix)


@pytest.mark.gpu
def test_pinned_memory_is_copied_while_the_program_goes_on() -> None:
    values = torch.randn(MEBIBYTE).pin_memory()
    assert values.is_pinned()
    there = values.to("cuda", non_blocking=True)
    back = torch.empty_like(values, pin_memory=True)
    back.copy_(there, non_blocking=True)
    torch.cuda.current_stream().synchronize()
    assert torch.equal(back, values)
