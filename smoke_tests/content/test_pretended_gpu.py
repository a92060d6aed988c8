"""Every solution keeps its tensors together on a GPU that is only pretended: see pretended_gpu.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run

PROGRAMS = [
    *(f"practicals/practical-{number}/solutions/practical_{number}.py" for number in range(1, 7)),
    *(f"projects/{project}/solutions/test.py" for project in ("pairs", "framework", "eeg")),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.split("/")[1])
def test_solution(run_solution: Run, pretended_gpu: Path, program: str) -> None:
    results = run_solution(program, "--device=cuda", launcher=[pretended_gpu])
    assert results["device"] == "cuda"
