"""The prologue: the historical interface, and nothing done behind the student's back."""

import gzip
import pickle
import runpy
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed beside pytest: the prologue is not tested here")

FOLDER = Path(__file__).parents[2] / "course_content/prologue"
Importer = Callable[..., ModuleType]


@pytest.fixture
def prologue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Importer:
    """Import the prologue anew, as a program started with these arguments would."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("PYTORCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("COURSE_TINY", raising=False)

    def import_with(*arguments: str) -> ModuleType:
        monkeypatch.setattr("sys.argv", ["program.py", *arguments])
        for name in ("dlc_practical_prologue", "course_tools.datasets.told"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        return __import__("dlc_practical_prologue")

    return import_with


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Random MNIST and CIFAR10 in their own formats, smaller than the real ones."""
    generator = torch.Generator().manual_seed(1)
    raw = tmp_path / "data/mnist/MNIST/raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 2000), ("t10k", 1500)):
        images = torch.randint(0, 256, (count, 28, 28), generator=generator, dtype=torch.uint8)
        labels = torch.arange(count, dtype=torch.uint8) % 10
        idx = struct.pack(">I3I", 0x803, count, 28, 28) + images.numpy().tobytes()
        if part == "train":
            (raw / "train-images-idx3-ubyte").write_bytes(idx)
        else:
            (raw / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx, 1))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels.numpy().tobytes())
    batches = tmp_path / "data/cifar10/cifar-10-batches-py"
    batches.mkdir(parents=True)
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        count = 1200 if name == "test_batch" else 300
        images = torch.randint(0, 256, (count, 3072), generator=generator, dtype=torch.uint8).numpy()
        (batches / name).write_bytes(pickle.dumps({b"data": images, b"labels": [n % 10 for n in range(count)]}))
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("arguments", "options", "shapes"),
    [
        ([], {}, [(1000, 784), (1000,), (1000, 784), (1000,)]),
        (["--tiny"], {}, [(500, 784), (500,), (100, 784), (100,)]),
        (["--full"], {}, [(2000, 784), (2000,), (1500, 784), (1500,)]),
        ([], {"flatten": False}, [(1000, 1, 28, 28), (1000,), (1000, 1, 28, 28), (1000,)]),
        ([], {"one_hot_labels": True}, [(1000, 784), (1000, 10), (1000, 784), (1000, 10)]),
        (["--cifar"], {}, [(1000, 3072), (1000,), (1000, 3072), (1000,)]),
        ([], {"cifar": True, "flatten": False}, [(1000, 3, 32, 32), (1000,), (1000, 3, 32, 32), (1000,)]),
    ],
)
def test_sizes(
    prologue: Importer, data: Path, arguments: list[str], options: dict[str, bool], shapes: list[tuple[int, ...]]
) -> None:
    tensors = prologue(*arguments).load_data(**options)
    assert [tuple(tensor.shape) for tensor in tensors] == shapes
    assert tensors[0].dtype == tensors[2].dtype == torch.float32
    assert 200 < tensors[0].max() <= 255
    if not options.get("one_hot_labels"):
        assert tensors[1].dtype == torch.int64
        assert tensors[1][:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1], "the first samples, in their order"


def test_what_it_prints(prologue: Importer, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prologue().load_data()
    assert capsys.readouterr().out.splitlines() == [
        "* Using MNIST",
        "** Reduce the data-set (use --full for the full thing)",
        "** Use 1000 train and 1000 test samples",
    ]
    prologue("--tiny", "--cifar").load_data()
    assert capsys.readouterr().out.splitlines() == [
        "* Using CIFAR",
        "** Reduce the data-set to the tiny setup",
        "** Use 500 train and 100 test samples",
    ]


def test_normalisation_uses_one_mean_and_one_std_of_the_training_samples(prologue: Importer, data: Path) -> None:
    raw_train, _, raw_test, _ = prologue("--tiny").load_data()
    train, _, test, _ = prologue("--tiny").load_data(normalize=True)
    torch.testing.assert_close(train, (raw_train - raw_train.mean()) / raw_train.std())
    torch.testing.assert_close(test, (raw_test - raw_train.mean()) / raw_train.std())


def test_one_hot_labels_of_either_edition(prologue: Importer) -> None:
    input, target = torch.zeros(3, 2), torch.tensor([1, 0, 2])
    rows = prologue().convert_to_one_hot_labels(input, target)
    assert rows.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert rows.dtype == torch.float32
    signed = [[-1, 1, -1], [1, -1, -1], [-1, -1, 1]]
    assert prologue().convert_to_one_hot_labels(input, target, signed=True).tolist() == signed
    assert prologue("--signed_labels").convert_to_one_hot_labels(input, target).tolist() == signed


def test_pairs(prologue: Importer, data: Path) -> None:
    six = prologue().generate_pair_sets(700)
    assert [tuple(tensor.shape) for tensor in six] == [(700, 2, 14, 14), (700,), (700, 2)] * 2
    for _, target, classes in (six[:3], six[3:]):
        assert torch.equal(target, (classes[:, 0] <= classes[:, 1]).long())
    assert six[0].dtype == torch.float32
    assert six[1].dtype == six[2].dtype == torch.int64


def test_each_half_of_a_pair_is_a_digit_of_its_class(prologue: Importer) -> None:
    digits = torch.arange(10.0).view(10, 1, 1, 1).expand(10, 1, 28, 28)
    pairs, _, classes = prologue().mnist_to_pairs(5, digits, torch.arange(10))
    assert torch.equal(pairs.mean((2, 3)), classes.float())
    assert sorted(classes.flatten().tolist()) == [*range(10)], "no digit twice"


@pytest.mark.parametrize(
    "arguments",
    [
        ["-f", "/run/user/1000/jupyter/kernel-1.json"],
        ["-f"],
        ["--full-trace", "-q", "tests"],
        ["--epochs", "3", "model.pt"],
        ["--data", "mine", "--see", "1", "--help"],
    ],
)
def test_arguments_of_others_are_left_alone(prologue: Importer, arguments: list[str]) -> None:
    module = prologue(*arguments)
    assert not module.args.full
    assert module.args.seed == 0
    assert module.args.data_dir is None
    assert sys.argv == ["program.py", *arguments]


def test_the_seed(prologue: Importer) -> None:
    prologue("--seed", "7")
    first = torch.rand(1)
    torch.manual_seed(7)
    assert torch.equal(first, torch.rand(1))
    torch.manual_seed(99)
    prologue("--seed", "-1")
    unseeded = torch.rand(1)
    torch.manual_seed(99)
    assert torch.equal(unseeded, torch.rand(1))


def test_the_device_follows_the_hardware(prologue: Importer) -> None:
    assert prologue().device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert prologue("--force_cpu").device.type == "cpu"


def test_full_and_tiny_exclude_each_other(prologue: Importer, data: Path) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        prologue("--full", "--tiny").load_data()


def test_small_sizes_without_a_command_line(prologue: Importer, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prologue().pick(25, 2) == 25
    assert prologue("--tiny").pick(25, 2) == 2
    monkeypatch.setenv("COURSE_TINY", "1")
    assert prologue().pick("full", "tiny") == "tiny"
    assert prologue().load_data()[0].size(0) == 500
    assert prologue("--full").load_data()[0].size(0) == 2000, "what is asked for on the command line goes first"
    monkeypatch.setenv("COURSE_TINY", "")
    assert not prologue().args.tiny


def test_options_can_be_set_in_a_notebook(prologue: Importer, data: Path) -> None:
    module = prologue("-f", "kernel.json")
    module.args.full = module.args.signed_labels = module.args.cifar = True
    train_input, train_target, *_ = module.load_data(one_hot_labels=True)
    assert train_input.shape == (1500, 3072)
    assert train_target.unique().tolist() == [-1, 1]


def test_where_it_looks_for_a_set(prologue: Importer, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """./data, the home folder's, the machine's: the first that has the set; else what is named, and only that."""
    monkeypatch.delenv("PYTORCH_DATA_DIR")
    home, place = data.parent / "home", data.parent / "place"
    (place / "data/mnist").mkdir(parents=True)  # empty: it does not count
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(place)
    module = prologue()
    module.COURSE_FOLDER = data.parent / "machine"
    assert module.get_data_dir("mnist") == Path("data"), "there the message says that files can be put"
    for folder in (module.COURSE_FOLDER, home / module.HOME_FOLDER, place / "data"):
        shutil.copytree(data / "mnist", folder / "mnist", dirs_exist_ok=True)
        assert module.get_data_dir("mnist").absolute() == folder
        module.read_mnist()
    shutil.copytree(data / "cifar10", module.COURSE_FOLDER / "cifar10")
    assert module.get_data_dir("cifar10") == module.COURSE_FOLDER, "each set for itself"
    monkeypatch.setenv("PYTORCH_DATA_DIR", "/named")
    assert module.get_data_dir("mnist") == Path("/named")
    assert prologue("--data_dir", "elsewhere").get_data_dir("mnist") == Path("elsewhere")


@pytest.mark.parametrize(
    ("content", "source", "line"),
    [
        ('{"source": "real"}', "real", ["** The real MNIST"]),
        (
            '{"source": "stand-in"}',
            "stand-in",
            ["** A stand-in for MNIST, not the real one (with a network: course-data fetch)"],
        ),
        ('{"source": "hearsay"}', "unknown", []),
        ('{"set": "mnist"}', "unknown", []),
        ("[1]", "unknown", []),
        ("{", "unknown", []),
        (None, "unknown", []),
    ],
)
def test_it_says_which_data_there_are(
    prologue: Importer,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    source: str,
    line: list[str],
) -> None:
    if content:
        (data / "mnist/source.json").write_text(content)
    module = prologue()
    assert module.get_data_source("mnist") == source
    module.load_data()
    assert capsys.readouterr().out.splitlines()[:-2] == ["* Using MNIST", *line]
    module.load_data()
    module.generate_pair_sets(10)
    assert capsys.readouterr().out.splitlines()[:-2] == ["* Using MNIST"], "said once a program"
    prologue().generate_pair_sets(10)
    assert capsys.readouterr().out.splitlines() == line


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("mnist/MNIST/raw/train-images-idx3-ubyte", 1000),
        ("mnist/MNIST/raw/train-labels-idx1-ubyte", 6),
        ("mnist/MNIST/raw/train-labels-idx1-ubyte", 0),
        ("cifar10/cifar-10-batches-py/data_batch_3", 1000),
        ("cifar10/cifar-10-batches-py/test_batch", 0),
    ],
)
def test_a_damaged_file_is_named(prologue: Importer, data: Path, name: str, cut: int) -> None:
    (data / name).write_bytes((data / name).read_bytes()[:cut])
    with pytest.raises(ValueError, match="is not whole, or another file under this name") as caught:
        prologue().load_data(cifar=name.startswith("cifar"))
    assert str(caught.value).startswith(str(data / name))


# Programs as students of each edition wrote them: the calls and habits of their year.
PROGRAMS = {
    "2018": (
        ["--signed_labels", "--force_cpu"],
        """
import torch
from torch import Tensor
from torch.autograd import Variable
import dlc_practical_prologue as prologue

train_input, train_target, test_input, test_target = prologue.load_data(one_hot_labels = True, normalize = True)
assert not prologue.args.full and prologue.args.force_cpu and prologue.args.seed == 0
if torch.cuda.is_available() and not prologue.args.force_cpu:
    train_input, train_target = train_input.cuda(), train_target.cuda()
zeta = 0.9
train_target, test_target = train_target * zeta, test_target * zeta
w = Tensor(10, 784).normal_(0, 1e-6)
nb_errors = 0
for n in range(0, train_input.size(0)):
    x = Variable(train_input.narrow(0, n, 1).view(-1))
    pred = w.mv(x).max(0)[1].item()
    if train_target[n, pred] < 0:
        nb_errors = nb_errors + 1
assert 800 < nb_errors < 1000
""",
    ),
    "2018, CIFAR10": (
        ["--cifar", "--tiny"],
        """
import dlc_practical_prologue as prologue
train_input, train_target, test_input, test_target = prologue.load_data(flatten = False)
assert tuple(train_input.size()) == (500, 3, 32, 32) and tuple(test_input.size()) == (100, 3, 32, 32)
train_input.sub_(train_input.mean()).div_(train_input.std())
assert abs(train_input.mean()) < 1e-4
""",
    ),
    "2019": (
        ["--seed", "3"],
        """
from dlc_practical_prologue import *
from torch import nn

train_input, train_target, test_input, test_target = load_data(one_hot_labels = True, normalize = True, flatten = False)
assert args.seed == 3 and args.tiny == False and args.data_dir is None
model = nn.Sequential(nn.Conv2d(1, 4, kernel_size = 5), nn.ReLU(), nn.Flatten(), nn.Linear(2304, 10))
loss = nn.MSELoss()(model(train_input[:100]), train_target[:100])
loss.backward()
pairs, target, classes = mnist_to_pairs(50, train_input, train_target.max(1)[1])
assert pairs.size() == (50, 2, 14, 14)
""",
    ),
    "2020, with options of its own": (
        ["--lr", "0.5", "--epochs", "3", "--verbose"],
        """
import argparse
import dlc_practical_prologue as prologue

parser = argparse.ArgumentParser()
parser.add_argument('--lr', type = float, default = 0.1)
parser.add_argument('--epochs', type = int, default = 25)
parser.add_argument('--verbose', action = 'store_true')
args = parser.parse_args()
assert args.lr == 0.5 and args.epochs == 3 and args.verbose
train_input, train_target, train_classes, test_input, test_target, test_classes = prologue.generate_pair_sets(700)
assert train_input.shape == (700, 2, 14, 14) and train_classes.shape == (700, 2)
""",
    ),
    "2021, test.py": (
        [],
        """
import os, torch
import dlc_practical_prologue as prologue
torch.set_grad_enabled(False)
for _ in range(2):
    sets = prologue.generate_pair_sets(nb = 100)
assert [tensor.dtype for tensor in sets] == 2 * [torch.float32, torch.int64, torch.int64]
one_hot = prologue.convert_to_one_hot_labels(sets[0], sets[1])
assert one_hot.shape == (100, 2) and one_hot.sum() == 100
torch.set_grad_enabled(True)
""",
    ),
    "a notebook": (
        ["-f", "/run/user/1000/jupyter/kernel-1.json", "--HistoryManager.hist_file=:memory:"],
        """
import dlc_practical_prologue as prologue
assert prologue.args.file == '/run/user/1000/jupyter/kernel-1.json'
train_input, train_target, test_input, test_target = prologue.load_data(cifar = False, one_hot_labels = False)
assert train_target.dtype == prologue.torch.int64
""",
    ),
}


@pytest.mark.filterwarnings("error::DeprecationWarning", "error::FutureWarning")
@pytest.mark.parametrize("edition", PROGRAMS)
def test_programs_of_every_edition_run(prologue: Importer, data: Path, tmp_path: Path, edition: str) -> None:
    arguments, text = PROGRAMS[edition]
    (tmp_path / "program.py").write_text(text)
    prologue(*arguments)
    del sys.modules["dlc_practical_prologue"]
    runpy.run_path(str(tmp_path / "program.py"), run_name="__main__")


@pytest.mark.parametrize(("cifar", "name"), [(False, "MNIST"), (True, "CIFAR10")])
def test_missing_data_are_one_clear_message(prologue: Importer, tmp_path: Path, cifar: bool, name: str) -> None:
    module = prologue("--data_dir", str(tmp_path / "nothing"))
    with pytest.raises(module.DataNotFoundError) as caught:
        module.load_data(cifar=cifar)
    message = str(caught.value)
    assert message.startswith(f"{name} is not on this machine, {tmp_path / 'nothing'}")
    assert "PYTORCH_DATA_DIR" in message
    assert "\n" not in message


def test_importing_it_has_no_side_effect(tmp_path: Path) -> None:
    code = (
        "import sys, socket, torch\n"
        "before = {*sys.modules}\n"
        "socket.socket.connect = lambda *a: sys.exit('a connection was made')\n"
        "import dlc_practical_prologue\n"
        "assert torch.get_default_dtype() is torch.float32 and torch.zeros(1).device.type == 'cpu'\n"
        "assert not {'torchvision', 'course_tools'} & sys.modules.keys() - before\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-W", "error::FutureWarning", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(FOLDER), "PYTHONDONTWRITEBYTECODE": "1"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not [*tmp_path.iterdir()]
