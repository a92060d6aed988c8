"""torchvision's MNIST and CIFAR10 in a student's program: the stand-ins open, a damaged set is reported, others are left.

Each program is a process of its own, without a network, as `practicum venv` and the products start it: a .pth file
imports `course_tools.datasets.at_start`.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torchvision", reason="torchvision is not installed beside pytest: what it opens is not tried here")
pytest.importorskip("sklearn", reason="scikit-learn is not installed beside pytest: no stand-in can be made")

from course_tools.datasets import cli
from course_tools.datasets.catalogue import CIFAR10, HOME_FOLDER, SETS

ROOT = Path(__file__).parents[2]
SAID = {title: f"** A stand-in for {title}, not the real one (with a network: course-data fetch)" for title in ("MNIST", "CIFAR10")}
# As in the products, and without a network: torchvision's own way to it fails at once.
START = """
import sys, urllib.request, urllib.error
import course_tools.datasets.at_start
import torchvision
from torchvision.datasets import CIFAR10, CIFAR100, MNIST, FashionMNIST
def refuse(*_, **__):
    raise urllib.error.URLError("no network here")
urllib.request.urlopen = refuse
def opened(kind, *arguments, **options):
    try:
        return len(kind(*arguments, **options))
    except (OSError, RuntimeError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with small stand-ins of both sets: 100 samples for training, 20 for the test."""
    home = tmp_path_factory.mktemp("home")
    cli.make_sets([*SETS], home / HOME_FOLDER, 100)
    return home


def run(program: str, home: Path, place: Path, **variables: str) -> list[str]:
    """Run a program in the folder `place`, and return the lines that it prints."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTORCH_DATA_DIR"},
        "HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "course_content/tools/src"), str(ROOT / "course_content/prologue")]),
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-c", START + program],
        cwd=place, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_programs_of_practical_6_run_as_they_were_written(made: Path, tmp_path: Path) -> None:
    """PYTORCH_DATA_DIR or ./data, download or not, both parts, and the prologue in the same program: said once."""
    program = """
import os
for data_dir in (os.environ["PYTORCH_DATA_DIR"], os.environ["PYTORCH_DATA_DIR"] + "/"):
    for download in (True, False):
        for train in (True, False):
            print(opened(CIFAR10, data_dir + '/cifar10/', train = train, download = download))
            print(opened(MNIST, data_dir + '/mnist/', train = train, download = download))
import dlc_practical_prologue as prologue
prologue.read_cifar()
train_set = CIFAR10(data_dir + '/cifar10/', train = True, download = True, transform = torchvision.transforms.ToTensor())
loader = torchvision.datasets.vision.data.DataLoader(train_set, batch_size = 50, num_workers = 2)
print([tuple(images.shape) for images, _ in loader], train_set.classes[:2], train_set.class_to_idx["ring"])
"""
    folder = made / HOME_FOLDER
    lines = run(program, made, tmp_path, PYTORCH_DATA_DIR=str(folder))
    assert lines[:4] == [SAID["CIFAR10"], "100", SAID["MNIST"], "100"]
    assert lines[4:-1] == ["20", "20", *["100", "100", "20", "20"] * 3]
    assert lines[-1] == "[(50, 3, 32, 32), (50, 3, 32, 32)] ['disc', 'ring'] 1"


def test_a_folder_without_the_set(made: Path, tmp_path: Path) -> None:
    """After a download that fails, or in the course's own ./data/cifar10, the course's set is opened, and this is said."""
    program = """
print(opened(CIFAR10, root='./data/cifar10', train=True, download=True))
print(opened(CIFAR10, root='./data/cifar10', train=False, download=False))
print(opened(MNIST, './data/mnist/', True, None, None, True))
print(opened(MNIST, root='./mine', download=True))
print(opened(CIFAR10, root='./mine', download=False))
print(opened(MNIST, root='./mine', download=False))
for kind in (CIFAR100, FashionMNIST):
    print(opened(kind, root='./data/cifar10', download=True), opened(kind, root='./data/cifar10', download=False))
"""
    folder = made / HOME_FOLDER
    lines = run(program, made, tmp_path)
    error = "download failed (<urlopen error no network here>)"
    assert lines[:3] == [
        f"** No CIFAR10 in data/cifar10, and the {error}: it is taken from {folder / 'cifar10'}", SAID["CIFAR10"], "100",
    ]  # fmt: skip
    assert lines[3:5] == [f"** No CIFAR10 in data/cifar10: it is taken from {folder / 'cifar10'}", "20"]
    assert lines[5:8] == [
        f"** No MNIST in data/mnist, and the {error}: it is taken from {folder / 'mnist'}", SAID["MNIST"], "100",
    ]  # fmt: skip
    assert lines[8:10] == [f"** No MNIST in mine, and the {error}: it is taken from {folder / 'mnist'}", "100"]
    assert [line.split(".")[0] for line in lines[10:12]] == [
        "RuntimeError: Dataset not found or corrupted", "RuntimeError: Dataset not found",
    ]  # fmt: skip
    assert lines[12].startswith("URLError: <urlopen error no network here> RuntimeError: Dataset not found or corrupted")
    assert lines[13].startswith("RuntimeError: Error downloading") and "RuntimeError: Dataset not found." in lines[13]


def copy_sets(made: Path, folder: Path) -> Path:
    shutil.copytree(made / HOME_FOLDER, folder)
    return folder / "cifar10"


def test_a_damaged_set_stays_damaged(made: Path, tmp_path: Path) -> None:
    """One wrong byte in a stand-in, in files that call themselves real, and in files of which nothing is known."""
    for name in ("stand-in", "real", "unknown"):
        folder = copy_sets(made, tmp_path / name)
        batch = folder / CIFAR10.place / "data_batch_3"
        source = json.loads((folder / "source.json").read_text())
        if name == "stand-in":
            batch.write_bytes(batch.read_bytes()[:-1] + b"!")
        elif name == "real":
            (folder / "source.json").write_text(json.dumps({**source, "source": "real"}))
        else:
            (folder / "source.json").unlink()
    copy_sets(made, tmp_path / "lacking").joinpath(CIFAR10.place, "batches.meta").unlink()
    program = """
for name in ("stand-in", "real", "unknown", "lacking"):
    print(opened(CIFAR10, f"{name}/cifar10"), "|", opened(CIFAR10, f"{name}/cifar10", download=True))
"""
    for line in run(program, made, tmp_path):
        first, second = line.split(" | ")
        assert first.startswith("RuntimeError: Dataset not found or corrupted"), line
        assert second == "URLError: <urlopen error no network here>", line


def test_a_real_set_is_checked_by_the_published_sums(made: Path, tmp_path: Path) -> None:
    """Sound files pass in silence, and one wrong byte does not, though `source.json` were to call them a stand-in."""
    folder = copy_sets(made, tmp_path / "data")
    source = json.loads((folder / "source.json").read_text())
    sums = {name: hashlib.md5((folder / CIFAR10.place / name).read_bytes()).hexdigest() for name in CIFAR10.files}
    (folder / "source.json").write_text(json.dumps({**source, "source": "real"}))
    program = f"""
sums = {sums!r}
CIFAR10.train_list = [[name, sums[name]] for name in sums if name.startswith("data")]
CIFAR10.test_list = [["test_batch", sums["test_batch"]]]
CIFAR10.meta = {{**CIFAR10.meta, "md5": sums["batches.meta"]}}
print(opened(CIFAR10, "data/cifar10", download=True))
path = "data/cifar10/cifar-10-batches-py/test_batch"
content = open(path, "rb").read()
open(path, "wb").write(content[:-1] + b"!")
print(opened(CIFAR10, "data/cifar10"))
"""
    lines = run(program, made, tmp_path)
    assert lines[0] == "100" and lines[1].startswith("RuntimeError: Dataset not found or corrupted") and len(lines) == 2


def test_a_start_of_python_stays_fast(tmp_path: Path) -> None:
    """What each start imports, and that another torchvision than those known still can be imported."""
    listing = "import sys; old = {*sys.modules}; import course_tools.datasets.at_start; print(*{*sys.modules} - old)"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT / 'course_content/tools/src'}"}
    command = [sys.executable, "-S", "-c", listing]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert {name for name in shown.split() if not name.startswith("course_tools")} == set()
    (tmp_path / "torchvision/datasets").mkdir(parents=True)
    (tmp_path / "torchvision/__init__.py").touch()
    (tmp_path / "torchvision/datasets/__init__.py").touch()
    (tmp_path / "torchvision/datasets/cifar.py").write_text("CIFAR10 = object\n")
    program = "import course_tools.datasets.at_start, torchvision.datasets.cifar as c; print(c.CIFAR10)"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "<class 'object'>\n"
    assert done.stderr.startswith("course-data: torchvision does not find the stand-ins (AttributeError")
