"""course-check 5: the solution is right, the skeleton not done, and every mistake has its own line."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed beside pytest: the checks are not tried here")

from checked import PRACTICALS, list_all, list_first, list_lines, read_solution, vary
from course_tools.check import practical_5

DRAWN = "points = torch.empty(nb, 2).uniform_(-1, 1)"
CLASSES = "(points.pow(2).sum(1) < 2 / torch.pi).long()"
SHALLOW = "return nn.Sequential(nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 2))"
COUNTED = "return int((model(data_input).argmax(1) != data_target).sum())"
FEW_EPOCHS = 25
WRONG = {
    "unit square": (DRAWN, "points = torch.rand(nb, 2)", "generate_disc_set: gives points from 0.00 to 1.00, expected"),
    "normal": (DRAWN, "points = torch.randn(nb, 2)", "generate_disc_set: gives points from -"),
    "not uniform": (DRAWN, "points = torch.empty(nb, 2).uniform_(-1, 1).pow(3)", "generate_disc_set: "),
    "radius": (CLASSES, CLASSES.replace("2 / torch.pi", "0.5"), "generate_disc_set: "),
    "floats": (CLASSES, CLASSES.replace("long", "float"), "generate_disc_set: gives float32 numbers"),
    "signs": (CLASSES, f"{CLASSES} * 2 - 1", "generate_disc_set: gives the classes [-1, 1], expected 0 and 1"),
    "seeded": (DRAWN, f"torch.manual_seed(0)\n    {DRAWN}", "generate_disc_set: gives the same points at every call"),
    "loop": (
        DRAWN,
        "points = torch.stack([torch.empty(2).uniform_(-1, 1) for _ in range(nb)])",
        "generate_disc_set: line ",
    ),
    "zero_grad": ("            optimizer.zero_grad()\n", "", "train_model: lets the gradients of all steps add up"),
    "zero_grad once in an epoch": (
        "        for input, target in batches:\n            loss = criterion(model(input), target)\n"
        "            optimizer.zero_grad()\n",
        "        optimizer.zero_grad()\n        for input, target in batches:\n"
        "            loss = criterion(model(input), target)\n",
        "train_model: lets the gradients of an epoch add up",
    ),
    "step once in an epoch": (
        "            optimizer.step()",
        "        optimizer.step()",
        "train_model: makes one step in an epoch, expected one after each mini-batch",
    ),
    "no backward": ("            loss.backward()\n", "", "train_model: computes no gradient: where is backward()?"),
    "other rate": ("LEARNING_RATE = 0.1", "LEARNING_RATE = 0.07", "train_model: has a learning rate of 0.07"),
    "momentum": ("lr=LEARNING_RATE)", "lr=LEARNING_RATE, momentum=0.9)", "train_model: has a momentum of 0.9"),
    "Adam": ("optim.SGD", "optim.Adam", "train_model: makes the steps of Adam, expected those of plain SGD"),
    "softmax in the loss": (
        "criterion(model(input), target)",
        "criterion(model(input).softmax(1), target)",
        "train_model: takes a softmax before the cross-entropy",
    ),
    "sum": ("nn.CrossEntropyLoss()", 'nn.CrossEntropyLoss(reduction="sum")', "train_model: sums the loss over the"),
    "lost rest": (
        "for input, target in batches:",
        "for input, target in batches[: max(1, len(train_input) // BATCH_SIZE)]:",
        "train_model: 150 samples in mini-batches of 100, so the last is smaller: leaves it out",
    ),
    "rest fails": (
        "loss = criterion(model(input), target)",
        "loss = criterion(model(input.narrow(0, 0, 100)), target)",
        "train_model: 150 samples in mini-batches of 100, so the last is smaller: line ",
    ),
    "rate": ("LEARNING_RATE = 0.1", "LEARNING_RATE = 0.01", "train_model: has a learning rate of 0.01, expected 0.1"),
    "epochs": (
        f"NB_EPOCHS = {FEW_EPOCHS}",
        f"NB_EPOCHS = {FEW_EPOCHS - 1}",
        f"train_model: goes {FEW_EPOCHS - 1} times through the samples, expected {FEW_EPOCHS}",
    ),
    "batches": ("BATCH_SIZE = 100", "BATCH_SIZE = 150", "train_model: shows 150 of 300 samples at once"),
    "criterion": (
        "criterion = nn.CrossEntropyLoss()",
        "criterion = lambda x, t: nn.functional.mse_loss(x, nn.functional.one_hot(t, 2).float())",
        "train_model: minimizes the mean squared error, expected the cross-entropy",
    ),
    "right ones": (COUNTED, COUNTED.replace("!=", "=="), "compute_nb_errors: counts the samples that are right"),
    "tensor": (COUNTED, COUNTED.replace("int", ""), "compute_nb_errors: gives a tensor, expected a Python number"),
    "share": (COUNTED, f"{COUNTED} / len(data_input)", "compute_nb_errors: gives a share of the samples"),
    "float": (COUNTED, COUNTED.replace("int", "float"), "compute_nb_errors: gives the float "),
    "text": (COUNTED, COUNTED.replace("int", "str"), "compute_nb_errors: gives str "),
    "no answer": (COUNTED, COUNTED.replace("return ", ""), "compute_nb_errors: returns nothing"),
    "changes the model": (
        COUNTED,
        f"[parameter.zero_() for parameter in model.parameters()]\n        {COUNTED}",
        "compute_nb_errors: changes its argument model",
    ),
    "changes the points": (COUNTED, f"data_input -= 1\n        {COUNTED}", "compute_nb_errors: changes its argument"),
    "same model": (
        "def create_shallow_model() -> nn.Module:",
        "@__import__('functools').cache\ndef create_shallow_model() -> nn.Module:",
        "create_shallow_model: gives the same model at every call",
    ),
    "same parameters": (
        SHALLOW,
        f"torch.manual_seed(0)\n    {SHALLOW}",
        "create_shallow_model: gives the same parameters at every call: do not seed in it",
    ),
    "width": (SHALLOW, SHALLOW.replace("128", "64"), "create_shallow_model: has 2 - 64 - 2, expected 2 - 128 - 2"),
    "no bias": (SHALLOW, SHALLOW.replace("128, 2)", "128, 2, bias=False)"), "create_shallow_model: "),
    "no ReLU": (SHALLOW, SHALLOW.replace("nn.ReLU(), ", ""), "create_shallow_model: has no ReLU between its layers"),
    "last ReLU": (SHALLOW, SHALLOW.replace("128, 2))", "128, 2), nn.ReLU())"), "create_shallow_model: has a ReLU"),
    "softmax": (SHALLOW, SHALLOW.replace("128, 2))", "128, 2), nn.Softmax(1))"), "create_shallow_model: ends with"),
    "one ReLU less": ("8, 16),\n        nn.ReLU(),\n", "8, 16),\n", "create_deep_model: is not linear layers"),
    "one layer less": (
        "        nn.Linear(16, 32),\n        nn.ReLU(),\n        nn.Linear(32, 64),\n",
        "        nn.Linear(16, 64),\n",
        "create_deep_model: has 2 - 4 - 8 - 16 - 64 - 128 - 2, expected",
    ),
}  # fmt: skip

TOLD_BY_THE_END = {
    "zero_grad", "zero_grad once in an epoch", "step once in an epoch", "other rate", "momentum", "Adam",
    "softmax in the loss", "sum", "rate", "criterion",
}  # fmt: skip
"""Mistakes that are told by where the training ends. The others are tried with few epochs, which spares time."""

NOTED = {"lost rest", "rest fails"}
"""Mistakes that the practical's numbers of samples never show."""


def test_solution_is_right(tmp_path: Path) -> None:
    assert list_lines(5, read_solution(5), tmp_path) == []


def test_other_labelling_of_earlier_years_is_right_too(tmp_path: Path) -> None:
    assert list_lines(5, vary(read_solution(5), (CLASSES, CLASSES.replace("<", ">"))), tmp_path) == []


def test_skeleton_is_not_done(tmp_path: Path) -> None:
    lines = list_lines(5, (PRACTICALS / "practical-5/practical_5.py").read_text(), tmp_path)
    assert len(lines) == 5 and all(line.startswith("todo ") for line in lines)


@pytest.mark.parametrize("mistake", WRONG)
def test_mistake_has_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    old, new, line = WRONG[mistake]
    solution = read_solution(5)
    if mistake not in TOLD_BY_THE_END:
        monkeypatch.setattr(practical_5, "NB_EPOCHS", FEW_EPOCHS)
        solution = vary(solution, ("NB_EPOCHS = 250", f"NB_EPOCHS = {FEW_EPOCHS}"))
    lines = (list_all if mistake in NOTED else list_first)(5, vary(solution, (old, new)), tmp_path)
    assert lines and lines[0].startswith(f"{'note' if mistake in NOTED else 'wrong'} {line}"), lines
    assert mistake not in NOTED or not any(line.startswith("wrong") for line in lines)


def test_layers_may_be_made_in_another_order_than_they_are_used(tmp_path: Path) -> None:
    backwards = """
class Shallow(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(128, 2)
        self.first = nn.Linear(2, 128)

    def forward(self, x):
        return self.last(self.first(x).relu())


def create_deep_model("""
    text = vary(read_solution(5), (SHALLOW, "return Shallow()"), ("def create_deep_model(", backwards.lstrip()))
    assert list_lines(5, text, tmp_path) == []


def test_a_test_set_with_its_own_mean_has_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(practical_5, "NB_EPOCHS", FEW_EPOCHS)
    text = vary(read_solution(5), ("NB_EPOCHS = 250", f"NB_EPOCHS = {FEW_EPOCHS}"))
    lines = list_all(5, f"{text}\ntest_input.sub_(test_input.mean()).div_(test_input.std())\n", tmp_path)
    assert len(lines) == 1
    assert (
        lines[0].startswith("note generate_disc_set: line ") and "test_input is normalized by its own mean" in lines[0]
    )
