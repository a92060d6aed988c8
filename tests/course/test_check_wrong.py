"""course-check tells ten more kinds of mistakes of each practical: changes of its solution, and how the line begins."""

import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed beside pytest: nothing of a practical can be checked here")

from checked import list_first, read_solution, vary
from course_tools.check import practical_1, practical_5, practical_6

LOOP = """    for i in range(m.size(0)):
        for j in range(m.size(1)):
            result[i, j] = m[i, j] * (i + 1)
"""
CENTERED = "    centered = x - mean\n"
EIGH = "_, vectors = torch.linalg.eigh(centered.t() @ centered)"
CENTER = "train_input, test_input = train_input - mean, test_input - mean"
DISTANCES = "distances = (train_input - x).pow(2).sum(1)"
COUNT_4 = "nb_errors += int((model(some).argmax(1) != rows.argmax(1)).sum())"
BATCHES_4 = "zip(train_input.split(mini_batch_size), train_target.split(mini_batch_size), strict=True)"
STEP_4 = "                for parameter in model.parameters():\n                    parameter -= ETA * parameter.grad\n"
COUNT_5 = "return int((model(data_input).argmax(1) != data_target).sum())"
SHALLOW = "return nn.Sequential(nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 2))"
DISC = "return points, (points.pow(2).sum(1) < 2 / torch.pi).long()"
SGD = "optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)"
ADDED = "return F.relu(y + x if self.skip_connections else y)"
ONE = "loss = criterion(model(input[sample : sample + 1]), target[sample : sample + 1])"
NORMS = "norms[:, sample] = torch.stack([gradient.norm() for gradient in gradients])"
TO_DEVICE = "    criterion = nn.CrossEntropyLoss()\n"

Changes = dict[str, tuple[str, str, str]]

WRONG: dict[int, Changes] = {
    1: {
        "lines of 1": ("m[1::5, :] = 2.0", "m[1::6, :] = 2.0", "make_grid: "),
        "columns over blocks": (
            "    return m\n",
            "    m[:, 3] = 2\n    return m\n",
            "make_grid: 10 of the 169 elements are wrong",
        ),
        "a matrix of None": ("    return m\n", "    return m.fill_\n", "make_grid: gives a builtin_function_or_method"),
        "symeig": (
            "torch.linalg.eigvals(torch",
            "torch.symeig(torch",
            "compute_eigenvalues: line 29: torch has no symeig any more: write torch.linalg.eigh(M)",
        ),
        "no inverse": (
            "torch.linalg.solve(m, d @ m)",
            "m.t() @ d @ m",
            "compute_eigenvalues: not 1, 2, ..., 20 but up to",
        ),
        "absolute squares": (
            "torch.linalg.eigvals(torch.linalg.solve(m, d @ m))",
            "torch.linalg.eigvals(torch.linalg.solve(m, d @ m)).abs().square()",
            "compute_eigenvalues: not 1, 2",
        ),
        "hundreds of times as fast": (
            "return n**3 / seconds",
            "return 999 * n**3 / seconds",
            "measure_products_per_second: gives ",
        ),
        "factors of the last row": (
            "m[i, j] * (i + 1)",
            "m[i, j] * m.size(0)",
            "mul_row: of a 4 x 8 matrix of 2, row 0 should be 2, it begins with 8",
        ),
        "integers": (
            "result = torch.empty_like(m)",
            "result = torch.empty_like(m, dtype=torch.int)",
            "mul_row: wrong for a 7 x 3 matrix of random numbers",
        ),
        "the last factor first": (
            "return m * factors.view(-1, 1)",
            "return m * factors.flip(0).view(-1, 1)",
            "mul_row_fast: of a 4 x 8 matrix of 2, row 0 should be 2, it begins with 8",
        ),
    },
    2: {
        "the first of equals": (
            "return train_target[distances.argmin()]",
            "return train_target[distances.argsort()[1]]",
            "nearest_classification: ",
        ),
        "a distance": (
            "return train_target[distances.argmin()]",
            "return distances.min()",
            "nearest_classification: gives ",
        ),
        "normalized samples": (
            DISTANCES,
            "distances = (train_input / train_input.norm() - x / x.norm()).pow(2).sum(1)",
            "nearest_classification: ",
        ),
        "the test's own mean": (
            CENTER,
            "train_input, test_input = train_input - mean, test_input - test_input.mean(0)",
            "compute_nb_errors: with mean: the test samples are centred by their own mean",
        ),
        "a projected mean": (
            CENTER,
            "train_input, test_input = train_input + mean, test_input - mean",
            "compute_nb_errors: with mean: counts ",
        ),
        "one row of the basis": (
            "test_input @ proj.t()\n",
            "test_input @ proj.t()\n        train_input, test_input = train_input[:, :1], test_input[:, :1]\n",
            "compute_nb_errors: with proj: counts ",
        ),
        "the first half of the tests": (
            "zip(test_input, test_target, strict=True)",
            "zip(test_input[:25], test_target[:25], strict=True)",
            "compute_nb_errors: without mean and proj: counts ",
        ),
        "eigenvectors unsorted": (
            EIGH,
            "_, vectors = torch.linalg.eig(centered.t() @ centered)\n    vectors = vectors.real"
            "[:, [2, 0, 3, 1]] if x.size(1) == 4 else vectors.real",
            "PCA: ",
        ),
        "symeig": (
            EIGH,
            "_, vectors = torch.symeig(centered.t() @ centered, eigenvectors=True)",
            "PCA: line 41: torch has no symeig any more: write torch.linalg.eigh(M)",
        ),
        "a correlation": (
            EIGH,
            "_, vectors = torch.linalg.eigh(torch.corrcoef(centered.t()))",
            "PCA: the rows are not the directions",
        ),
    },
    3: {
        "the hard tanh": ("return x.tanh()", "return x.clamp(-1, 1)", "sigma: gives 0.5000 at x = 0.5"),
        "a softsign": ("return x.tanh()", "return x / (1 + x.abs())", "sigma: gives 0.3333 at x = 0.5"),
        "the slope of a logistic": (
            "return 1 - x.tanh().pow(2)",
            "return x.sigmoid() * (1 - x.sigmoid())",
            "dsigma: gives ",
        ),
        "a slope in place": (
            "return 1 - x.tanh().pow(2)",
            "return x.tanh_().pow_(2).neg_().add_(1)",
            "dsigma: changes its argument x",
        ),
        "the largest difference": ("return (t - v).pow(2).sum()", "return (t - v).abs().max()", "loss: the squares"),
        "the target forgotten": ("return 2 * (v - t)", "return 2 * v", "dloss: the gradient is wrong"),
        "one bias for all": ("s1 = w1.mv(x0) + b1", "s1 = w1.mv(x0) + b1.mean()", "forward_pass: s1 is wrong"),
        "sigma twice": ("x2 = sigma(s2)\n    return", "x2 = sigma(sigma(s2))\n    return", "forward_pass: x2 is wrong"),
        "averaged gradients": ("dl_db2.add_(dl_ds2)", "dl_db2.add_(dl_ds2.mean())", "backward_pass: dl_db2: is wrong"),
        "zeroed first": (
            "    dl_dx2 = dloss(x2, t)\n",
            "    dl_dw1.zero_()\n    dl_dx2 = dloss(x2, t)\n",
            "backward_pass: dl_dw1: overwritten",
        ),
    },
    4: {
        "one mini-batch in each epoch": (
            "            sum_loss += loss.item()\n",
            "            sum_loss += loss.item()\n            break\n",
            "train_model: 60 samples in mini-batches of 20: in each epoch it shows the model one mini-batch only",
        ),
        "always the first mini-batch": (
            "loss = criterion(model(input), target)",
            "loss = criterion(model(train_input[: len(input)]), target)",
            "train_model: 60 samples in mini-batches of 20: in each epoch it shows the model"
            " the same 20 again and again",
        ),
        "Adam": (
            STEP_4,
            "                pass\n            optimizer.step()\n",
            "train_model: makes the steps of Adam, expected those of plain SGD",
        ),
        "half the parameters": (
            "for parameter in model.parameters()",
            "for parameter in [*model.parameters()][:1]",
            "train_model: does not end where",
        ),
        "L1": ("nn.MSELoss()", "nn.L1Loss()", "train_model: does not end where"),
        "a return too early": (
            '        print(f"epoch',
            '        return\n        print(f"epoch',
            "train_model: goes 1 times through the samples, expected 25",
        ),
        "argmax(0)": (COUNT_4, COUNT_4.replace("argmax(1)", "argmax(0)"), "compute_nb_errors: gives "),
        ".data[0]": (
            COUNT_4,
            COUNT_4.replace(".sum())", ".sum().data[0])"),
            "compute_nb_errors: line 69: a loss is a tensor of one number: write item() for .data[0]",
        ),
        "an output of nine": ("self.fc2 = nn.Linear(nb_hidden, 10)", "self.fc2 = nn.Linear(nb_hidden, 9)", "Net: has "),
        "no bias": (
            "self.conv2 = nn.Conv2d(32, 64, kernel_size=5)",
            "self.conv2 = nn.Conv2d(32, 64, kernel_size=5, bias=False)",
            "Net: has ",
        ),
    },
    5: {
        "a square": (DISC, "return points, (points.abs().amax(1) < 0.7071).long()", "generate_disc_set: "),
        "a sphere": (
            DISC,
            "return points / points.norm(dim=1, keepdim=True), (points.pow(2).sum(1) < 2 / torch.pi).long()",
            "generate_disc_set: ",
        ),
        "one quadrant's classes": (DISC, "return points, (points.prod(1) > 0).long()", "generate_disc_set: "),
        "NLLLoss": (
            "nn.CrossEntropyLoss()",
            "nn.NLLLoss()",
            "train_model: gives the outputs to NLLLoss, which wants log_softmax of them",
        ),
        "weight decay": (
            "lr=LEARNING_RATE)",
            "lr=LEARNING_RATE, weight_decay=0.1)",
            "train_model: has a weight decay of 0.1",
        ),
        "RMSprop": (
            SGD,
            SGD.replace("SGD", "RMSprop"),
            "train_model: makes the steps of RMSprop, expected those of plain SGD",
        ),
        "one mini-batch in each epoch": (
            "            optimizer.step()",
            "            optimizer.step()\n            break",
            "train_model: 300 samples in mini-batches of 100: in each epoch it shows the model one mini-batch only",
        ),
        "argmax(0)": (
            COUNT_5,
            "return int((model(data_input).argmax(0)[0] != data_target).sum())",
            "compute_nb_errors: gives ",
        ),
        "a sigmoid": (
            SHALLOW,
            SHALLOW.replace("ReLU", "Sigmoid"),
            "create_shallow_model: is not linear layers with a ReLU",
        ),
        "shared layers": (
            SHALLOW,
            "return nn.Sequential(nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2))",
            "create_shallow_model: has 2 - 128 - 128 - 2, expected 2 - 128 - 2",
        ),
    },
    6: {
        "a doubled input": (
            ADDED,
            "return F.relu(y + 2 * x if self.skip_connections else y)",
            "ResNetBlock: with skip_connections=True",
        ),
        "a product": (
            ADDED,
            "return F.relu(y * x if self.skip_connections else y)",
            "ResNetBlock: with skip_connections=True",
        ),
        "a smooth end": (
            ADDED,
            "return F.gelu(y + x if self.skip_connections else y)",
            "ResNetBlock: with skip_connections=True",
        ),
        "NLLLoss": (
            "nn.CrossEntropyLoss()",
            "nn.NLLLoss()",
            "get_stats: gives the outputs to NLLLoss, which wants log_softmax of them",
        ),
        "no gradient": ("        loss.backward()\n", "        loss.detach()\n", "get_stats: line "),
        "a wrong class": (
            ONE,
            ONE.replace("target[sample : sample + 1]", "target[sample + 1 : sample + 2]"),
            "get_stats: ",
        ),
        "a new network for each sample": (
            "        model.zero_grad()\n",
            "        model.zero_grad()\n        torch.manual_seed(sample)\n"
            "        [nn.init.normal_(p, 0, 0.1) for p in model.parameters()]\n",
            "get_stats: ",
        ),
        "relative norms": (
            NORMS,
            f"{NORMS}\n        norms[:, sample] /= norms[:, sample].sum()",
            "get_stats: does not give",
        ),
        "logarithms": (
            NORMS,
            f"{NORMS}\n        norms[:, sample].log_()",
            "get_stats: gives norms that are not finite and positive",
        ),
        "samples of two": (
            ONE,
            ONE.replace("sample + 1]", "sample + 2]"),
            "get_stats: shows 2 x 3 x 32 x 32 to the network",
        ),
    },
}

ENDS = {
    "argmax(0)": "argmax(0) goes down a column, over the samples: argmax(1) finds the class of each row",
}
"""How lines of some titles end."""

SMALL = {
    5: [("NB_EPOCHS = 250", "NB_EPOCHS = 25")],
    6: [("NB_BLOCKS = 30", "NB_BLOCKS = 4"), ("NB_SAMPLES = 100", "NB_SAMPLES = 6")],
}
ADAM = (
    "    criterion = nn.MSELoss()\n",
    "    criterion, optimizer = nn.MSELoss(), torch.optim.Adam(model.parameters())\n",
)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks expect the smaller sizes, and look at the processor's time."""
    for module, name, value in (
        (practical_1, "MATRIX_SIZE", 400),
        (practical_1, "SPEED_ROWS", 40),
        (practical_5, "NB_EPOCHS", 25),
        (practical_6, "NB_BLOCKS", 4),
        (practical_6, "NB_SAMPLES", 6),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr("time.perf_counter", time.process_time)


@pytest.mark.parametrize(("number", "title"), [(number, title) for number in WRONG for title in WRONG[number]])
def test_mistake_has_its_line(tmp_path: Path, number: int, title: str) -> None:
    old, new, line = WRONG[number][title]
    changes = [*SMALL.get(number, []), *([ADAM] if title == "Adam" else []), (old, new)]
    lines = list_first(number, vary(read_solution(number), *changes), tmp_path)
    assert lines and lines[0].startswith(f"wrong {line}"), lines
    assert lines[0].endswith(ENDS.get(title, "")), lines
