"""Mini-project noise2noise: noisy pairs are made, the solution learns, and course-submit finds what lacks."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed beside pytest: no project can be tested here")

from checked import vary  # noqa: E402
from course_tools.submit import framework_calls, framework_check, noise_check, project_sources  # noqa: E402
from torch import Tensor  # noqa: E402

CONTENT = Path(__file__).parents[2] / "course_content"
FOLDER = CONTENT / "projects/noise2noise"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """No data but those that are made: no CIFAR-10, an empty home; everything is small."""
    for name in ("home", "nothing"):
        (tmp_path / name).mkdir()
    variables = {
        "HOME": str(tmp_path / "home"), "PYTORCH_DATA_DIR": str(tmp_path / "nothing"), "COURSE_TINY": "1",
        "PYTHONPATH": f"{CONTENT / 'tools/src'}{os.pathsep}{CONTENT / 'prologue'}", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **variables}


@pytest.fixture
def project(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of the solution, or dlc_noise, from a copy in which they lie as students have them."""
    folder = tmp_path / "Proj"
    shutil.copytree(FOLDER / "solutions", folder, ignore=shutil.ignore_patterns("*.pth", "__pycache__"))
    shutil.copy(FOLDER / "dlc_noise.py", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["test.py"])
    for path in (CONTENT / "prologue", folder):
        monkeypatch.syspath_prepend(path)
    for owner, name in ((torch.autograd, "backward"), (torch.autograd, "grad"), (Tensor, "backward")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    threads, enabled, before = torch.get_num_threads(), torch.is_grad_enabled(), set(sys.modules)
    torch.set_num_threads(1)
    torch.manual_seed(0)

    def load(name: str) -> ModuleType:
        return __import__(name, fromlist=["x"])

    yield load
    torch.set_num_threads(threads)
    torch.set_grad_enabled(enabled)
    torch.set_default_dtype(torch.float32)
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("Miniproject_1", "Miniproject_2", "dlc_noise", "dlc_practical_prologue"):
            del sys.modules[name]


def test_the_pairs(project: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two noises of one picture, which are independent; kept in the home when they are not small, and read again."""
    dlc_noise = project("dlc_noise")
    first, second = dlc_noise.load_train()
    assert first.shape == second.shape == (100, 3, 32, 32) and first.dtype == torch.uint8
    assert not list((tmp_path / "home").rglob("*.pkl"))
    noisy, clean = dlc_noise.load_val()
    assert dlc_noise.compute_psnr(clean, clean) > 90 and 18.5 < dlc_noise.compute_psnr(noisy, clean) < 20
    inside = (clean > 90) & (clean < 165)  # no value is cut off there
    noise = (noisy.float() - clean.float())[inside]
    assert abs(noise.mean()) < 2 and abs(noise.std() - 30) < 1.5
    monkeypatch.delenv("COURSE_TINY")
    monkeypatch.setattr(dlc_noise, "NB", {"train": 30, "val": 3})
    first, second = dlc_noise.load_train()
    middle = (first.float() + second.float()) / 2
    between = (first.float() - second.float())[(middle > 110) & (middle < 145)]
    assert abs(between.std() - 30 * 2**0.5) < 4, "independent noises"
    path = tmp_path / "home/.local/share/course-data/noise2noise/train_data.pkl"
    assert path.stat().st_size < 2.2 * first.numel(), "nothing but the pictures"
    assert all(torch.equal(*pair) for pair in zip(torch.load(path, weights_only=True), (first, second), strict=True))
    monkeypatch.setattr(dlc_noise, "make", None)
    assert torch.equal(dlc_noise.load_train()[0], first)


def test_the_modules_of_the_solution(project: Callable[[str], ModuleType]) -> None:
    module = project("Miniproject_2.framework")
    framework_calls.refuse_autograd()
    classes = {name: kind for name, kind in vars(module).items() if isinstance(kind, type) and kind is not Tensor}
    found = list(framework_check.check(classes))
    assert {("ok", name) for name in ("Conv2d", "Upsample", "ReLU", "Sigmoid", "LossMSE", "Sequential")} <= set(found)
    assert [line for kind, line in found if kind == "problem"] == []
    x, weight = torch.randn(2, 3, 7, 7, dtype=torch.float32), torch.randn(5, 3, 3, 3, dtype=torch.float32)
    torch.set_default_dtype(torch.float32)
    conv = module.Conv2d(3, 5, stride=2)
    conv.weight = weight.flatten(1)
    assert torch.allclose(conv.forward(x), torch.nn.functional.conv2d(x, weight, stride=2, padding=1), atol=1e-4)


def list_problems(part: str) -> list[str]:
    """What the check of a part finds in the current folder; its module is imported anew."""
    for name in [name for name in sys.modules if name.startswith(part)]:
        del sys.modules[name]
    noisy, clean = noise_check.find_pictures()
    found = noise_check.check(Path(), part, noisy[:10], clean[:10])
    return [line for kind, line in found if kind == "problem"]


def test_the_check_passes_the_solution(project: Callable[[str], ModuleType]) -> None:
    """Trained on a few pairs, written and read again; a few are too few for the second network to be better."""
    noisy_1, noisy_2 = project("dlc_noise").load_train()
    for part, nb_epochs in (("Miniproject_1", 4), ("Miniproject_2", 2)):
        model = project(f"{part}.model").Model()
        model.train(noisy_1[:50], noisy_2[:50], nb_epochs)
        model.save()
        assert torch.load(f"{part}/bestmodel.pth", weights_only=True)
        problems = list_problems(part)
        assert problems == [] or (
            part == "Miniproject_2" and [line for line in problems if "no better" in line] == problems
        )
        framework_calls.refuse_autograd()


MODEL = """
import torch


class Model:
    def load_pretrained_model(self):
        self.a = torch.load("Miniproject_2/bestmodel.pth")

    def train(self, train_input, train_target, num_epochs):
        self.a = torch.ones(1)

    def predict(self, x):
        x = x.float()
        return (x + x.roll(1, 2) + x.roll(-1, 2) + x.roll(1, 3) + x.roll(-1, 3)) / 5
"""

PREDICT = "return (x + x.roll(1, 2) + x.roll(-1, 2) + x.roll(1, 3) + x.roll(-1, 3)) / 5"
WRONG = {
    "no method": ("def load_pretrained_model", "def load_model", "Model has no load_pretrained_model"),
    "no class": ("class Model", "class Net", "model.py has no class Model"),
    "from 0 to 1": (PREDICT, "return x / 255", "predict returns numbers up to 1.00: pictures go from 0 to 255"),
    "not from 0 to 255": (PREDICT, "return 3 * x", "predict returns numbers from 0 to 765, not 0 to 255"),
    "another size": (PREDICT, "return x[:, :1]", "predict returns size [10, 1, 32, 32]"),
    "no numbers": (PREDICT, "return x / 0 * 0", "predict returns numbers that are not finite"),
    "no better": (PREDICT, "return x", "what it predicts is no better than the noisy pictures"),
    "training of another form": ("train_target, num_epochs", "train_target", "TypeError: Model.train()"),
    "autograd": ("self.a = torch.ones(1)", "torch.ones(1, requires_grad=True).sum().backward()", "it uses autograd"),
    "torch.nn": ("        x = x.float()", "        x = torch.nn.Identity()(x.float())", ""),
    "a module of torch.nn": ('self.a = torch.load("Miniproject_2/bestmodel.pth")', "self.a = [torch.nn.ReLU()]",
                             "its model contains a module of torch.nn"),
}  # fmt: skip


def test_the_check_catches(project: Callable[[str], ModuleType]) -> None:
    framework_calls.refuse_autograd()
    path, best = Path("Miniproject_2/model.py"), Path("Miniproject_2/bestmodel.pth")
    path.write_text(MODEL)
    assert list_problems("Miniproject_2") == [
        "Miniproject_2: there is no bestmodel.pth in it: train the network and write it"
    ]
    torch.save(torch.ones(1), best)
    assert list_problems("Miniproject_2") == []
    for old, new, line in WRONG.values():
        path.write_text(vary(MODEL, (old, new)))
        problems = list_problems("Miniproject_2")
        assert any(line in problem for problem in problems) if line else not problems, (new, problems)
    path.write_text(vary(MODEL, ("        x = x.float()", "        x = torch.nn.Identity()(x.float())")))
    assert [line.number for line in project_sources.read_sources(Path()).forbidden if line.file == str(path)] == [13]
    path.write_text(MODEL)
    torch.save(torch.ones(1), best)
    os.truncate(best, noise_check.LARGEST + 1)
    assert list_problems("Miniproject_2")[0] == "Miniproject_2: bestmodel.pth has 20 MB, more than 20 MB"
    path.unlink()
    assert list_problems("Miniproject_2") == ["Miniproject_2: there is no model.py in it"]


@pytest.mark.slow
def test_the_starter_runs_and_is_checked(tmp_path: Path, environment: dict[str, str]) -> None:
    """It trains, it is tested; torch.nn is forbidden in the second part only, and found there."""
    folder = tmp_path / "Proj"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("solutions", "*.pth", "*.nb.py", "__pycache__"))

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=1200, check=False,
        )  # fmt: skip

    assert run("train.py").returncode == 0
    model = folder / "Miniproject_2/model.py"
    model.write_text(model.read_text() + "\n\ndef unused():\n    return torch.optim\n\n\nprint(torch.nn)\n")
    done = run("-m", "course_tools.submit.cli", ".")
    assert done.returncode == 1, done.stderr
    assert "the noise2noise project" in done.stdout
    assert done.stdout.count("PROBLEM") == 1, done.stdout
    last = len(model.read_text().splitlines())
    assert f"PROBLEM    forbidden in this project: Miniproject_2/model.py:{last}: uses torch.nn" in done.stdout
    assert "note       Miniproject_1: PSNR" in done.stdout
    assert f"Miniproject_2/model.py:{last - 3} (uses torch.optim)" in done.stdout
