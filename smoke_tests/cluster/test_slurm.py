"""The job scripts of the course in a real Slurm, which runs the image by a real Apptainer."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from smoke_tests.cluster.conftest import Cluster
from smoke_tests.cluster.documented import APPTAINER, SEVERAL_COMPUTERS, SLURM, fill_in, find_command
from smoke_tests.cluster.machine import UID, Machine, unplug
from smoke_tests.cluster.slurm import BEGUN, Slurm
from smoke_tests.waiting import wait_until

pytestmark = [pytest.mark.timeout(1500), pytest.mark.usefixtures("course", "jobs")]

PORT = 20000 + UID % 10000
TRAINING = "--epochs=10 --json=losses.json --checkpoint=checkpoint.pth"
ALIKE = 40
"""Steps in which one process and two have the same loss; what they round differently grows to 0.001 in some fifty."""


@pytest.fixture(scope="module")
def alone(login: Machine, home: Path) -> list[float]:
    """Return the loss of each step of one process."""
    words = {"ee559.sif": "~/ee559.sif", "train.py": "~/ee559/cluster/train.py"}
    line = fill_in(find_command(APPTAINER, "apptainer exec"), words)
    login.succeed(f"mkdir alone && cd alone && {line} {TRAINING}")
    return read_losses(home / "alone")


def read_losses(folder: Path) -> list[float]:
    losses: list[float] = json.loads((folder / "losses.json").read_text())["losses"]
    return losses


def test_jupyterlab(slurm: Slurm, home: Path) -> None:
    """The log names the tunnel through the login machine, and no token; the token's file opens JupyterLab."""
    job = slurm.submit(find_command(SLURM, "ee559-lab"))
    slurm.wait_state(job, BEGUN)
    wait_until(lambda: slurm.wait_state(job, BEGUN) and "JupyterLab is ready" in slurm.read_log(job), "JupyterLab")
    node = slurm.find_node(slurm.describe(job)["NodeList"])
    log, token = slurm.read_log(job), home / f".course-token-{job}"
    assert f"ssh -N -L {PORT}:localhost:{PORT} -J login {node.name}\n" in log
    assert token.read_text().strip() not in log and f"cat /home/student/{token.name}" in log
    header = f'--header "Authorization: token $(cat {token.name})"'
    asked = f"curl --silent --output /dev/null --write-out %{{http_code}} {header} http://localhost:{PORT}/api/contents"
    assert node.succeed(asked) == "200"
    slurm.login.succeed(f"scancel {job}")
    slurm.wait_state(job, ["CANCELLED"])
    assert not token.exists(), "the token outlives its job"


def test_seeds(slurm: Slurm, home: Path) -> None:
    """Two of the ten: each has its folder and its own losses."""
    job = slurm.submit(f"SBATCH_ARRAY_INX=0-1 {find_command(SLURM, 'ee559-seeds')} --epochs=1")
    wait_until(lambda: not slurm.login.succeed("squeue --noheader"), "both jobs end", pause=0.5)
    losses = [read_losses(home / f"seed-{seed}") for seed in range(2)]
    assert losses[0] != losses[1], job


def test_two_nodes_train_as_one_process_and_one_may_be_lost(
    slurm: Slurm, home: Path, cluster: Cluster, alone: list[float]
) -> None:
    """A node loses its power in the middle: the job is queued again, and waits for the node. Its curve has no break."""
    checkpoint, lost = home / "checkpoint.pth", slurm.nodes[1]
    job = slurm.submit(f"{find_command(SLURM, 'ee559-train')} {TRAINING}")
    wait_until(lambda: checkpoint.exists() or slurm.has_ended(job), "a checkpoint")
    unplug(slurm.login, lost)
    lost.switch_off()
    wait_until(lambda: slurm.has_ended(job) or slurm.describe(job)["Restarts"] == "1", "the job is queued again")
    assert not slurm.has_ended(job), slurm.read_log(job)
    slurm.replace_node(cluster.boot(lost.name, 12))
    slurm.wait_state(job, ["COMPLETED"])
    found = re.search(r"going on after step (\d+)", slurm.read_log(job))
    assert found and 0 < int(found[1]) < ALIKE, slurm.read_log(job)
    losses = read_losses(home)
    assert losses[:ALIKE] == pytest.approx(alone[:ALIKE], rel=1e-3)
    assert len(losses) == len(alone) and losses[-1] < losses[0] / 2


def test_course_verify_on_two_nodes(slurm: Slurm) -> None:
    printed = slurm.login.succeed(allocated())
    assert "2 processes on 2 nodes (node1, node2) agree, by gloo" in printed, printed


def test_course_verify_names_a_wrong_interface_in_one_line(slurm: Slurm) -> None:
    done = slurm.login.as_user(f"export GLOO_SOCKET_IFNAME=eth7; {allocated()}")
    told = [line for line in done.output.splitlines() if "course-verify" in line]
    assert done.returncode != 0 and told, done.output
    expected = r"course-verify: rank \d on node\d: GLOO_SOCKET_IFNAME=eth7: no such network interface.*eth0.*"
    assert all(re.fullmatch(expected, line) for line in told), done.output


def allocated() -> str:
    """Return the page's command for two nodes of an allocation, typed in one."""
    wanted = find_command(SEVERAL_COMPUTERS, "salloc")
    line = fill_in(find_command(SEVERAL_COMPUTERS, "srun"), {"FIRST_NODE": "node1"})
    return f"{wanted} {line}"
