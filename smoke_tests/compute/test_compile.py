"""torch.compile works, or says what to install: it needs a C++ compiler for CPUs, Triton and a C compiler for GPUs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

PROGRAM = """
import sys
import torch

def function(x):
    return (x * 2 + 1).relu().sum(dim=1)

x = torch.linspace(-1, 1, 4096).reshape(64, 64).to(sys.argv[1])
compiled = torch.compile(function)
assert torch.allclose(compiled(x), function(x), rtol=1e-5)
assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
"""
MISSING = re.compile(r"No working C\+\+ compiler|ailed to find C compiler|Python\.h|working triton|\binstall\b")


def test_a_function_is_compiled_or_the_message_says_what_is_missing(device: torch.device, tmp_path: Path) -> None:
    """In a process of its own: with caches that are thrown away, and with the compiler's words, which matter here."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, device.type],
        cwd=tmp_path,
        env={
            **os.environ,
            "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "inductor"),
            "TRITON_CACHE_DIR": str(tmp_path / "triton"),
            "TORCHINDUCTOR_COMPILE_THREADS": "1",  # no pool of processes for one function
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    if done.returncode == 0:
        return
    words = [line for line in done.stdout.splitlines() if MISSING.search(line) and not line.startswith(" ")]
    if os.environ.get("CXX", "").endswith("no-compiler"):  # the course's images answer in the compiler's place
        words = [line for line in words if "install" in line]
    assert words, f"torch.compile failed and does not say what to install:\n{done.stdout}"
    pytest.skip(f"torch.compile needs what is not here: {words[0]}")
