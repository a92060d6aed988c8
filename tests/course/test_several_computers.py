"""The program that trains with one process or many: its loss does not depend on them, nor on being stopped."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed beside pytest: its processes are not tested here")

from course_tools.datasets.cli import make_sets
from packages import REPOSITORY
from waiting import DEADLINE, wait_until

CLUSTER = REPOSITORY / "course_content/cluster"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone")


def start(place: Path, *options: str, before: Sequence[str] = ()) -> "subprocess.Popen[str]":
    """Start the training in `place`, two epochs of ten steps, on a tenth of what it takes by default."""
    places = (CLUSTER.parent / "prologue", CLUSTER.parent / "tools/src")
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        "CUDA_VISIBLE_DEVICES": "",
    }
    argv = [sys.executable, *before, str(CLUSTER / "train.py"), "--json", "losses.json", *options]
    return subprocess.Popen(argv, cwd=place, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run(place: Path, *options: str, before: Sequence[str] = ()) -> list[float]:
    """Train to the end; return the loss of each step."""
    place.mkdir(exist_ok=True)
    process = start(place, *options, before=before)
    output = process.communicate(timeout=DEADLINE)[0]
    assert process.returncode == 0, output
    losses: list[float] = json.loads((place / "losses.json").read_text())["losses"]
    return losses


@pytest.fixture(scope="module", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let all trainings find a stand-in for MNIST that is as large as they need it."""
    folder = tmp_path_factory.mktemp("data")
    assert make_sets(["mnist"], folder, 1000) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTORCH_DATA_DIR", str(folder))
        yield


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    return run(tmp_path_factory.mktemp("alone"), "--epochs=2")


def test_it_learns(alone: list[float]) -> None:
    assert len(alone) == 20 and alone[-1] < alone[0] - 0.2


def test_two_processes_have_the_loss_of_one_and_so_have_parts_of_a_step(alone: list[float], tmp_path: Path) -> None:
    losses = run(tmp_path, "--epochs=2", "--accumulate=2", before=(*TORCHRUN, "--nproc-per-node=2"))
    assert losses == pytest.approx(alone, rel=1e-3)


def test_a_stopped_training_goes_on_with_the_same_loss(alone: list[float], tmp_path: Path) -> None:
    """Stopped as Slurm does it; then killed, as when a node is lost; then left alone."""
    checkpoint, steps = tmp_path / "checkpoint.pth", 0
    for number in (signal.SIGTERM, signal.SIGKILL):
        training = start(tmp_path, "--epochs=500")
        wait_until(lambda: checkpoint.exists() and len(read_losses(checkpoint)) > steps, "a checkpoint")  # noqa: B023
        training.send_signal(number)
        training.communicate(timeout=DEADLINE)
        steps = len(read_losses(checkpoint))
    last = start(tmp_path, f"--epochs={steps // 10 + 2}")
    assert f"going on after step {steps}\n" in last.communicate(timeout=DEADLINE)[0]
    losses = json.loads((tmp_path / "losses.json").read_text())["losses"]
    assert losses[: len(alone)] == alone, "the curve is broken"


def read_losses(checkpoint: Path) -> list[float]:
    import torch

    losses: list[float] = torch.load(checkpoint, weights_only=True)["losses"]
    return losses
