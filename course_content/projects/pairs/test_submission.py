"""What a grader would look at first: run `python -m pytest test_submission.py` in this folder.

Made-up pairs are used where that is possible, so most of these tests take a second. They know the names of the starter:
MODELS in models.py, run_round in training.py; keep these, or change the tests with them.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from models import MODELS
from torch import Tensor, nn
from training import run_round

HERE = Path(__file__).parent
LARGEST = 100_000  # parameters; about 70 000 are plenty


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return MODELS[request.param]()


def make_sets(nb: int, seed: int = 0) -> tuple[Tensor, ...]:
    """Six tensors like those of generate_pair_sets: a "digit" is a picture that gets brighter with its class."""
    generator = torch.Generator().manual_seed(seed)
    tensors = []
    for _ in range(2):
        classes = torch.randint(10, (nb, 2), generator=generator)
        noise = torch.randn(nb, 2, 14, 14, generator=generator)
        input = 20 * classes.view(nb, 2, 1, 1).float() + 10 * noise
        tensors += [input, (classes[:, 0] <= classes[:, 1]).long(), classes]
    return tuple(tensors)


@pytest.fixture(scope="module")
def output() -> str:
    """What `python test.py` prints, with small sizes where it looks at prologue.args.tiny."""
    done = subprocess.run(
        [sys.executable, "test.py"],
        cwd=HERE,
        env={**os.environ, "COURSE_TINY": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"test.py does not run without arguments:\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.parametrize("nb", [1, 7])
def test_a_score_for_each_answer(model: nn.Module, nb: int) -> None:
    result = model.eval()(torch.randn(nb, 2, 14, 14))
    scores, *digits = result if isinstance(result, tuple) else (result,)
    assert scores.shape == (nb, 2)
    assert all(tensor.shape == (nb, 2, 10) for tensor in digits), "scores of the digits are N x 2 x 10"


def test_size(model: nn.Module) -> None:
    assert sum(parameter.numel() for parameter in model.parameters()) <= LARGEST


def test_learns(model: nn.Module) -> None:
    """Bright against dark is easy: after a few epochs the training error is far from chance."""
    train_error, _ = run_round(model, make_sets(400), nb_epochs=10)
    assert train_error < 0.35


@pytest.mark.parametrize("name", MODELS)
def test_test_set_is_not_used_for_training(name: str) -> None:
    """Another test set, the same seed: the network that comes out must be the same, to the last bit."""
    trained = []
    for seed in (1, 2):
        sets = (*make_sets(200)[:3], *make_sets(200, seed)[3:])
        torch.manual_seed(0)
        model = MODELS[name]()
        run_round(model, sets, nb_epochs=2)
        trained.append(model.state_dict())
    for key, tensor in trained[0].items():
        assert torch.equal(tensor, trained[1][key]), f"{key} depends on the test set"


def test_errors_are_those_of_the_sets() -> None:
    """Labels without sense in the test set cannot be predicted."""
    sets = list(make_sets(1000))
    sets[4] = torch.randint(2, (1000,), generator=torch.Generator().manual_seed(9))
    torch.manual_seed(0)
    _, test_error = run_round(next(iter(MODELS.values()))(), tuple(sets), nb_epochs=2)
    assert 0.4 < test_error < 0.6


def test_prints_mean_and_standard_deviation(output: str) -> None:
    assert re.search(r"±|\+/?-|std|standard dev", output, re.IGNORECASE), f"no standard deviation in:\n{output}"


def test_prints_numbers_of_parameters(output: str) -> None:
    assert "param" in output.lower()


def test_compares_networks() -> None:
    assert len(MODELS) >= 3, "weight sharing and auxiliary losses are to be compared with what has neither"
