"""Mini-project pairs: the starter runs, its tests catch what graders would, and the solution is what it says."""

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed beside pytest: no project can be tested here")

from checked import vary  # noqa: E402

CONTENT = Path(__file__).parents[2] / "course_content"
FOLDER = CONTENT / "projects/pairs"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with an MNIST of 900 + 900 pictures: class c is a bar of height 2 (c + 1), in noise."""
    folder = tmp_path_factory.mktemp("data")
    raw = folder / "mnist/MNIST/raw"
    raw.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    for name in ("train", "t10k"):
        classes = torch.randint(10, (900,), generator=generator)
        images = torch.randint(60, (900, 28, 28), generator=generator)
        images += 150 * (torch.arange(28).view(1, 28, 1) < 2 * (classes.view(-1, 1, 1) + 1))
        head = struct.pack(">BBBBIII", 0, 0, 8, 3, 900, 28, 28)
        (raw / f"{name}-images-idx3-ubyte").write_bytes(head + images.to(torch.uint8).numpy().tobytes())
        head = struct.pack(">BBBBI", 0, 0, 8, 1, 900)
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(head + classes.to(torch.uint8).numpy().tobytes())
    return folder


@pytest.fixture
def solution(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of the solution."""
    monkeypatch.syspath_prepend(CONTENT / "prologue")
    monkeypatch.syspath_prepend(FOLDER / "solutions")
    monkeypatch.setattr("sys.argv", ["test.py"])
    threads, before = torch.get_num_threads(), set(sys.modules)
    torch.set_num_threads(1)
    yield __import__
    torch.set_num_threads(threads)
    for name in ("models", "training", "test", "dlc_practical_prologue"):
        if name not in before:
            sys.modules.pop(name, None)


CHEATS = {
    "test set": {
        "    train_model(model, train_input, train_target, train_classes, nb_epochs)\n":
        "    train_model(model, torch.cat([train_input, test_input]), torch.cat([train_target, test_target]), None)\n",
        "compute_error(model, test_input, test_target)": "compute_error(model, train_input, train_target)",
    },
    "no learning": {"optimizer.step()": "pass"},
}  # fmt: skip
CAUGHT = {
    "test set": ["test_errors_are_those_of_the_sets", "test_test_set_is_not_used_for_training"],
    "no learning": ["test_learns"],
}

# Does what `python -m pytest test_submission.py ...` does, in each folder with its arguments. The imports, three CPU
# seconds, are done once: of pytest, of torch, and of torch._dynamo, which the first optimizer would import.
IN_EACH = """
import json, os, sys
import pytest, torch, torch._dynamo
for folder, arguments in json.load(sys.stdin).items():
    if os.fork() == 0:
        os.chdir(folder)
        sys.path.insert(0, folder)
        os.dup2(os.open("said", os.O_WRONLY | os.O_CREAT), 1)
        status = pytest.main(["test_submission.py", "-q", "-p", "no:cacheprovider", *arguments])
        sys.stdout.flush()
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.wait()[1]) in (0, 1), open(f"{folder}/said").read()
"""


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory, data: Path) -> dict[str, list[str]]:
    """The tests of test_submission.py that fail: of the starter, of which all are run, and of each cheat."""
    place, arguments = tmp_path_factory.mktemp("handed-in"), {}
    for name in ("starter", *CHEATS):
        folder = place / name
        shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("solutions", "__pycache__", "*.nb.py"))
        path = folder / "training.py"
        path.write_text(vary(path.read_text(), *CHEATS.get(name, {}).items()))
        arguments[str(folder)] = ["-k", " or ".join(CAUGHT[name])] if name in CAUGHT else []
    environment = {
        **os.environ,
        "COURSE_TINY": "1",
        "OMP_NUM_THREADS": "1",
        "PYTORCH_DATA_DIR": str(data),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"{CONTENT / 'prologue'}{os.pathsep}{CONTENT / 'tools/src'}",
    }
    argv = [sys.executable, "-c", IN_EACH]
    done = subprocess.run(
        argv, input=json.dumps(arguments), env=environment, capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr
    return {Path(folder).name: list_failed(Path(folder, "said").read_text()) for folder in arguments}


def list_failed(said: str) -> list[str]:
    """The tests that failed as pytest says."""
    lines = [line for line in said.splitlines() if line.startswith("FAILED")]
    return sorted({line.split("::")[1].split("[")[0].split(" ")[0] for line in lines})


def test_parameters_and_shapes(solution: Callable[[str], ModuleType]) -> None:
    """About 70 000 parameters, with and without sharing."""
    models = solution("models")
    for sharing, nb_parameters in ((False, 69462), (True, 69772)):
        model = models.PairNet(sharing)
        assert models.count_parameters(model) == nb_parameters
        output, digits = model(torch.randn(5, 2, 14, 14))
        assert output.shape == (5, 2) and digits.shape == (5, 2, 10)


def test_what_sharing_means(solution: Callable[[str], ModuleType]) -> None:
    """The same picture gets the same scores at both places, if and only if the weights are shared."""
    models = solution("models")
    twice = torch.randn(5, 1, 14, 14).repeat(1, 2, 1, 1)
    for sharing in (False, True):
        _, digits = models.PairNet(sharing)(twice)
        assert torch.allclose(digits[:, 0], digits[:, 1]) == sharing


def test_the_auxiliary_loss_teaches_digits(solution: Callable[[str], ModuleType]) -> None:
    models, training = solution("models"), solution("training")
    classes = torch.randint(10, (300, 2))
    input = torch.randn(300, 2, 14, 14) / 4
    input += 4.0 * (torch.arange(14).view(1, 1, 14, 1) <= classes.view(300, 2, 1, 1))
    (input,) = training.normalize(input)
    target = (classes[:, 0] <= classes[:, 1]).long()
    right = []
    for auxiliary in (0.0, 1.0):
        torch.manual_seed(0)
        model = models.PairNet(sharing=True)
        training.train_model(model, input, target, classes, auxiliary, nb_epochs=12)
        right.append((model(input)[1].argmax(2) == classes).float().mean().item())
    assert right[0] < 0.3 and right[1] > 0.6, right


def test_the_solution_trains_on_the_training_set_only(solution: Callable[[str], ModuleType], data: Path) -> None:
    """Another test set, the same training error."""
    test = solution("test")
    sets = [torch.randn(60, 2, 14, 14), torch.randint(2, (60,)), torch.randint(10, (60, 2))]
    errors = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        others = (torch.randn(60, 2, 14, 14), torch.randint(2, (60,)), torch.randint(10, (60, 2)))
        errors.append(test.run_round("both", (*sets, *others), seed=0, nb_epochs=2)[0])
    assert errors[0] == errors[1]


def test_the_starter_lacks_what_is_to_be_done(failed: dict[str, list[str]]) -> None:
    """It works, and its tests tell what is missing, and nothing else."""
    assert failed["starter"] == [
        "test_compares_networks",
        "test_prints_mean_and_standard_deviation",
        "test_prints_numbers_of_parameters",
    ]


@pytest.mark.parametrize("name", CHEATS)
def test_its_tests_catch(failed: dict[str, list[str]], name: str) -> None:
    assert failed[name] == CAUGHT[name]
