"""course-check 4: the solution is right, the embryo not done, and every mistake has its own line."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed beside pytest: the checks are not tried here")

from checked import PRACTICALS, list_all, list_first, list_lines, read_solution, vary

COUNTED = "nb_errors += int((model(some).argmax(1) != rows.argmax(1)).sum())"
WRONG = {
    "no zero_grad": ("            model.zero_grad()\n", "", "train_model: lets the gradients of all steps add up"),
    "cross-entropy": ("nn.MSELoss()", "nn.CrossEntropyLoss()", "train_model: minimizes the cross-entropy"),
    "sum": ("nn.MSELoss()", 'nn.MSELoss(reduction="sum")', "train_model: sums the squares, expected their mean"),
    "rate": ("ETA = 1e-1", "ETA = 1e-2", "train_model: has a learning rate of 0.01, expected 0.1"),
    "up": ("parameter -= ETA", "parameter += ETA", "train_model: goes up the gradient: subtract it"),
    "epochs": ("NB_EPOCHS = 25", "NB_EPOCHS = 10", "train_model: goes 10 times through the samples, expected 25"),
    "no step": ("parameter -= ETA * parameter.grad", "pass", "train_model: leaves the model's parameters as they were"),
    "half a rate": ("ETA = 1e-1", "ETA = 5e-2", "train_model: has a learning rate of 0.05, expected 0.1"),
    "no backward": ("            loss.backward()\n", "", "train_model: line "),
    "far too large steps": ("ETA = 1e-1", "ETA = 1e9", "train_model: makes the parameters infinite"),
    "lost rest in the training": (
        "zip(train_input.split(mini_batch_size), train_target.split(mini_batch_size), strict=True)",
        "[*zip(train_input.split(mini_batch_size), train_target.split(mini_batch_size))]"
        "[: len(train_input) // mini_batch_size]",
        "train_model: 30 samples in mini-batches of 20, so the last is smaller: leaves it out; 1000 samples leave no",
    ),
    "batches": (
        "zip(train_input.split(mini_batch_size), train_target.split(mini_batch_size), strict=True)",
        "zip(train_input.split(60), train_target.split(60), strict=True)",
        "train_model: shows 60 of 60 samples at once, expected mini-batches of 20",
    ),
    "changes targets": (
        "    criterion = nn.MSELoss()\n",
        "    criterion = nn.MSELoss()\n    train_target *= 0.9\n",
        "train_model: changes its argument train_target",
    ),
    "right ones": (COUNTED, COUNTED.replace("!=", "=="), "compute_nb_errors: counts the samples that are right"),
    "tensor": ("    return nb_errors\n", "    return torch.tensor(nb_errors)\n", "compute_nb_errors: gives a tensor"),
    "share": ("    return nb_errors\n", "    return nb_errors / len(input)\n", "compute_nb_errors: gives a share"),
    "lost rest": (
        "input.split(mini_batch_size), target.split(mini_batch_size), strict=True)",
        "input.split(mini_batch_size)[: len(input) // mini_batch_size], target.split(mini_batch_size))",
        "compute_nb_errors: 47 samples in mini-batches of 20, so the last is smaller: gives ",
    ),
    "rest fails": (
        "model(some)",
        "model(some.narrow(0, 0, mini_batch_size))",
        "compute_nb_errors: 47 samples in mini-batches of 20, so the last is smaller: line ",
    ),
    "all at once": ("model(some).argmax(1)", "model(input)[:len(some)].argmax(1)", "compute_nb_errors: "),
    "float": ("    return nb_errors\n", "    return float(nb_errors)\n", "compute_nb_errors: gives the float "),
    "changes the model": (
        "nb_errors = 0\n    with torch.no_grad():\n",
        "nb_errors = 0\n    with torch.no_grad():\n        [parameter.zero_() for parameter in model.parameters()]\n",
        "compute_nb_errors: changes its argument model",
    ),
    "threshold of one coding": (
        "nb_errors += int((model(some).argmax(1) != rows.argmax(1)).sum())",
        "nb_errors += int((rows.gather(1, model(some).argmax(1)[:, None]) < 0).sum())",
        "compute_nb_errors: right for targets of -1 and +1 only, of 0 and 1 it gives 0 where ",
    ),
    "threshold": (COUNTED, COUNTED.replace("argmax(1) !=", "argmin(1) !="), "compute_nb_errors: gives "),
    "hidden": ("nn.Linear(256, nb_hidden)", "nn.Linear(256, 200)", "Net: "),
    "two convolutions": ("x = F.relu(self.conv3(x))", "x = x.repeat(1, 2, 1, 1)[:, :, :3, :3]", "Net2: a sample goes"),
    "last ReLU": (
        "x = F.relu(self.conv3(x))\n        return self.fc2(F.relu(self.fc1(x.flatten(1))))",
        "x = F.relu(self.conv3(x))\n        return F.relu(self.fc2(F.relu(self.fc1(x.flatten(1)))))",
        "Net2: has no negative output: is there a ReLU after its last layer?",
    ),
    "softmax": (
        "x = F.relu(self.conv3(x))\n        return self.fc2(F.relu(self.fc1(x.flatten(1))))",
        "x = F.relu(self.conv3(x))\n        return self.fc2(F.relu(self.fc1(x.flatten(1)))).softmax(1)",
        "Net2: has no negative output: is there a softmax after its last layer?",
    ),
    "idle layer": (
        "self.conv3 = nn.Conv2d(32, 64, kernel_size=2)",
        "self.conv3 = nn.Conv2d(32, 64, kernel_size=2)\n        self.conv4 = nn.Conv2d(64, 64, kernel_size=2)",
        "Net2: conv4.weight, conv4.bias takes no part in the output",
    ),
    "shape": (
        "self.fc1 = nn.Linear(576, 200)\n        self.fc2 = nn.Linear(200, 10)",
        "self.fc1 = nn.Linear(576, 200)\n        self.fc2 = nn.Linear(200, 9)",
        "Net2: gives a 30 x 9 tensor, expected a 30 x 10 tensor",
    ),
}  # fmt: skip

NOTED = {"lost rest in the training", "lost rest", "rest fails"}
"""Mistakes that the practical's numbers of samples never show."""


def test_solution_is_right(tmp_path: Path) -> None:
    assert list_lines(4, read_solution(4), tmp_path) == []


def test_embryo_is_not_done(tmp_path: Path) -> None:
    lines = list_lines(4, (PRACTICALS / "practical-4/dlc_practical_4_embryo.py").read_text(), tmp_path)
    assert len(lines) == 4 and all(line.startswith("todo ") for line in lines)


def test_a_hundred_epochs_are_right_too(tmp_path: Path) -> None:
    assert list_lines(4, vary(read_solution(4), ("NB_EPOCHS = 25", "NB_EPOCHS = 100")), tmp_path) == []


@pytest.mark.parametrize("mistake", WRONG)
def test_mistake_has_its_line(tmp_path: Path, mistake: str) -> None:
    old, new, line = WRONG[mistake]
    lines = (list_all if mistake in NOTED else list_first)(4, vary(read_solution(4), (old, new)), tmp_path)
    assert lines and lines[0].startswith(f"{'note' if mistake in NOTED else 'wrong'} {line}"), lines
    assert mistake not in NOTED or not any(line.startswith("wrong") for line in lines)


TURNED = "\n\ntrain_target, test_target = prologue.load_data()\ntest_target = test_target * 2 - 1\n"


def test_a_file_that_turns_the_test_targets_may_look_at_their_sign(tmp_path: Path) -> None:
    old, new, _ = WRONG["threshold of one coding"]
    lines = list_all(4, vary(read_solution(4), (old, new)) + TURNED, tmp_path)
    assert [line[:5] for line in lines] == ["note "]
    assert "right for targets of -1 and +1 only" in lines[0]
