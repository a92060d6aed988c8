"""The pretended GPU of the content's tests refuses what a real one refuses, and lets pass what it lets pass."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PRETENDED = Path(__file__).parents[2] / "smoke_tests/content/pretended_gpu.py"
BEGIN = """
import numpy, torch
from torch import nn
from torch.nn import functional as F
x, here = torch.randn(4, 3, device="cuda"), torch.randn(4, 3)
model = nn.Linear(3, 2).to("cuda")
"""
WRONG = {
    "operands": ("x + here", "same device"),
    "model-on-cpu": ("nn.Linear(3, 2)(x)", "same device"),
    "input-on-cpu": ("model(here)", "same device"),
    "in-place": ("here.add_(x)", "same device"),
    "target-on-cpu": ("F.cross_entropy(model(x), torch.zeros(4, dtype=torch.long))", "same device"),
    "index-on-gpu": ("here[torch.tensor([0], device='cuda')]", "same device"),
    "mask-on-gpu": ("here[x > 0]", "same device"),
    "numpy": ("x.numpy()", "can't convert cuda:0"),
    "as-array": ("numpy.asarray(x)", "can't convert cuda:0"),
    "generator": ("torch.randn(3, device='cuda', generator=torch.Generator())", "for generator"),
    "generator-in-place": ("x.normal_(generator=torch.Generator())", "for generator"),
    "built-on-cpu": ("x @ torch.eye(3)", "same device"),
    "back-on-cpu": ("model.cpu()(x)", "same device"),
}
RIGHT = {
    "where": "assert x.is_cuda and x.device == torch.device('cuda:0') and x[0].device == torch.zeros_like(x).device",
    "number": "assert (x + torch.tensor(1.0)).is_cuda and not x.cpu().is_cuda",
    "index-on-cpu": "assert x[torch.tensor([0])].is_cuda",
    "copied": "here.copy_(x); assert not here.is_cuda; here.numpy()",
    "dtype": "assert x.to(torch.float64).is_cuda and x.to(here).device.type == 'cpu' and x.to('cuda') is x",
    "new": "assert x.new_tensor([1]).is_cuda and F.one_hot(x.argmax(1), 3).is_cuda and not here.new_zeros(1).is_cuda",
    "gradients": "model(x).sum().backward(); model.weight.grad + x[:2]; torch.optim.Adam(model.parameters()).step()",
    "gradients-across": "here.requires_grad_(); model(here.cuda()).sum().backward(); here.grad.numpy()",
    "default": "torch.set_default_device('cuda'); assert torch.empty(3).is_cuda",
}


TRIED_IN_TURN = """
import json, sys
begin, lines = json.load(sys.stdin)
outcomes = {}
for name, line in lines.items():
    try:
        exec(begin + line, {})
        outcomes[name] = "accepted"
    except Exception as error:
        outcomes[name] = f"{type(error).__name__}: {error}"
json.dump(outcomes, sys.stdout)
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What became of every line: "accepted", or the error. One process for all: torch is slow to import."""
    program = tmp_path_factory.mktemp("pretended") / "program.py"
    program.write_text(TRIED_IN_TURN)
    lines = {name: line for name, (line, _) in WRONG.items()} | RIGHT
    told = subprocess.run(
        [sys.executable, PRETENDED, program],
        input=json.dumps([BEGIN, lines]),
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    return dict(json.loads(told.stdout))


@pytest.mark.parametrize("name", WRONG)
def test_refused(outcomes: dict[str, str], name: str) -> None:
    assert WRONG[name][1] in outcomes[name]


@pytest.mark.parametrize("name", RIGHT)
def test_accepted(outcomes: dict[str, str], name: str) -> None:
    assert outcomes[name] == "accepted"
