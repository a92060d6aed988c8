"""Devices, seeds and the report. Nothing here needs more than torch, torchvision, numpy, matplotlib and pytest."""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

# cuBLAS reads this when CUDA starts: without it torch refuses to be deterministic on a GPU.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import pytest

pytest.importorskip("torch", reason="these tests need a Python with torch and torchvision: see docs/verify-gpu.md")

import torch

from .devices import describe, name_devices, why_no_gpu
from .figures import Figure, format_table

HERE = Path(__file__).parent
FIGURES = pytest.StashKey[list[Figure]]()
STARTED = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("compute")
    group.addoption("--json", type=Path, metavar="FILE", help="write the report as JSON")
    group.addoption("--require-gpu", action="store_true", help="fail, instead of skip, the tests that need a GPU")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gpu: needs an NVIDIA GPU")
    config.stash[FIGURES], config.stash[STARTED] = [], time.monotonic()
    report = config.getoption("json", None)
    if report:
        try:
            report.touch()
        except OSError as error:
            raise pytest.UsageError(f"--json {report}: {error.strerror}: name a file you may write") from None


def pytest_report_header() -> list[str]:
    machine = describe()
    versions = f"torch {machine['torch']}, torchvision {machine['torchvision']}, CUDA {machine['cuda'] or 'none'}"
    return [versions, *name_devices(machine)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fail where these tests use what torch calls deprecated: they are meant to outlive a few of its releases."""
    caller = re.escape(__name__.rpartition(".")[0])
    for item in items:
        if HERE in item.path.parents:
            for category in ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning"):
                item.add_marker(pytest.mark.filterwarnings(f"error::{category}:{caller}"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and (reason := why_no_gpu()):
        if item.config.getoption("require_gpu", False):
            pytest.fail(f"no GPU: {reason}", pytrace=False)
        pytest.skip(f"no GPU: {reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    machine, figures = describe(), config.stash[FIGURES]
    terminalreporter.section("what was tested")
    for line in (*name_devices(machine), "", *format_table(figures)):
        terminalreporter.write_line(line)
    report = config.getoption("json", None)
    if report:
        stats = terminalreporter.stats
        outcome = {name: len(stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
        content = {
            "machine": machine,
            "tests": outcome,
            "skipped": Counter(test.longrepr[2].removeprefix("Skipped: ") for test in stats.get("skipped", [])),
            "figures": [asdict(figure) for figure in figures],
            "seconds": round(time.monotonic() - config.stash[STARTED], 1),
        }
        report.write_text(json.dumps(content, indent=1) + "\n")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Return the CPU, and the GPU where there is one."""
    return torch.device(request.param)


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[[str, torch.device, float, str], None]:
    """Put a measured figure into the report: name, device, value, unit."""

    def add(name: str, device: torch.device, value: float, unit: str) -> None:
        request.config.stash[FIGURES].append(Figure(name, device.type, value, unit))

    return add


@pytest.fixture(autouse=True)
def same_start() -> Iterator[None]:
    """Every test starts from the same seed; float32 means float32, while cuDNN would take TF32 when not told."""
    torch.manual_seed(0)
    tf32 = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = tf32
