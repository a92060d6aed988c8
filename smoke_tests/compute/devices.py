"""What this machine computes with, and why it has no GPU when it has none."""

from __future__ import annotations

import functools
import platform
import re
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
import torchvision


@functools.cache
def why_no_gpu() -> str:
    """Why torch can use no GPU here, in one line; "" when it can."""
    if torch.cuda.is_available():
        return ""
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is a build for the CPU"
    return _ask_course() or _ask_torch()


def _ask_course() -> str:
    """Return what the course's images know about it, the cure included; "" on other machines."""
    try:
        from course_runtime.doctor.gpu import explain_gpu
        from course_runtime.machine.machine import CourseError, Machine
    except ImportError:
        return ""
    try:
        return explain_gpu(Machine())
    except (CourseError, OSError, ValueError, KeyError):
        return ""


def _ask_torch() -> str:
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return re.split(r"\.\s|\n", str(error))[0]
    return "CUDA starts, but finds no device: look at CUDA_VISIBLE_DEVICES and at the job's request for GPUs"


def skip_without_bfloat16(device: torch.device, dtype: torch.dtype) -> None:
    """GPUs before Ampere compute in bfloat16 by emulation, if at all."""
    if device.type == "cuda" and dtype == torch.bfloat16 and torch.cuda.get_device_capability(device) < (8, 0):
        pytest.skip(f"{torch.cuda.get_device_name(device)} has no bfloat16: it came with sm_80")


def describe() -> dict[str, Any]:
    """Return the software and hardware under test, as it goes into the report."""
    available = not why_no_gpu()
    return {
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if available else None,
        "architectures": torch.cuda.get_arch_list(),
        "driver": _read_driver(),
        "cpu": _read_cpu(),
        "threads": torch.get_num_threads(),
        "gpus": [_describe_gpu(index) for index in range(torch.cuda.device_count())] if available else [],
        "no_gpu": why_no_gpu() or None,
    }


def name_devices(machine: dict[str, Any]) -> list[str]:
    """Return a line for the CPU and one for each GPU of what `describe` returned, or the reason that there is none."""
    driver = f"driver {machine['driver'] or 'unknown'}"
    gpus = [
        f"cuda:{index}  {gpu['name']}, {gpu['capability']}, {gpu['memory_gb']} GB, {driver}"
        for index, gpu in enumerate(machine["gpus"])
    ]
    cpu = f"cpu     {machine['cpu']}, {machine['threads']} threads"
    return [cpu, *(gpus or [f"cuda    not tested: {machine['no_gpu']}"])]


def _describe_gpu(index: int) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(index)
    return {
        "name": properties.name,
        "capability": f"sm_{properties.major}{properties.minor}",
        "memory_gb": round(properties.total_memory / 1e9, 1),
    }


def _read_cpu() -> str:
    name = _search(Path("/proc/cpuinfo"), r"model name\s*: (.+)")
    return name or platform.processor() or platform.machine()


def _read_driver() -> str | None:
    return _search(Path("/proc/driver/nvidia/version"), r"\s(\d+\.\d+(?:\.\d+)?)\s")


def _search(path: Path, pattern: str) -> str | None:
    try:
        found = re.search(pattern, path.read_text())
    except OSError:
        return None
    return found[1] if found else None
