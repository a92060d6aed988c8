"""A notebook's cell computes with torch, asked for as a browser does, but without one."""

from __future__ import annotations

from practicum.architecture import Architecture
from practicum.semester.description import Semester
from practicum.semester.locks import find_lock
from practicum.wheels.lockfile import read_lock
from smoke_tests.guest import PATIENCE
from smoke_tests.jupyter import Jupyter

TRAINING = """
import platform, torch, torchvision
torch.manual_seed(0)
inputs, model = torch.randn(64, 20), torch.nn.Linear(20, 2)
labels = (inputs[:, 0] > 0).long()
losses = []
for step in range(20):
    loss = torch.nn.functional.cross_entropy(model(inputs), labels)
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= parameter.grad
    losses.append(loss.item())
print(platform.machine(), torch.__version__, torchvision.__version__, losses[-1] < 0.8 * losses[0])
"""


def test_a_cell_trains_with_the_locked_torch(jupyter: Jupyter, semester: Semester, architecture: Architecture) -> None:
    locked = {package.name: package.version for package in read_lock(find_lock(semester, "cpu", architecture))}
    versions = [locked[name].partition("+")[0] for name in ("torch", "torchvision")]
    with jupyter.start_kernel() as kernel:
        outcome = kernel.execute(TRAINING, timeout=PATIENCE)
    assert outcome.status == "ok", outcome.error
    machine, *found, learned = outcome.text.split()
    assert [machine, *(version.partition("+")[0] for version in found)] == [architecture.machine, *versions]
    assert learned == "True"
