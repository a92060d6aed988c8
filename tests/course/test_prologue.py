"""The prologue: the historical interface, and nothing done behind the student's back."""

import gzip
import pickle
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

    def import_with(*arguments: str) -> ModuleType:
        monkeypatch.setattr("sys.argv", ["program.py", *arguments])
        monkeypatch.delitem(sys.modules, "dlc_practical_prologue", raising=False)
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
        "socket.socket.connect = lambda *a: sys.exit('a connection was made')\n"
        "import dlc_practical_prologue\n"
        "assert torch.get_default_dtype() is torch.float32 and torch.zeros(1).device.type == 'cpu'\n"
        "assert 'torchvision' not in sys.modules\n"
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
