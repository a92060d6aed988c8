"""torchvision's MNIST and CIFAR10 in a student's program: stand-ins open, damaged sets do not, others are left.

`practicum venv` and the products have a .pth file that imports `course_tools.datasets.at_start`.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("torchvision", reason="torchvision is not installed beside pytest: what it opens is not tried here")
pytest.importorskip("sklearn", reason="scikit-learn is not installed beside pytest: no stand-in can be made")

from course_tools.datasets import cli
from course_tools.datasets.catalogue import CIFAR10, HOME_FOLDER, SETS

ROOT = Path(__file__).parents[2]
SAID = "** A stand-in for {}, not the real one (with a network: course-data fetch)"
NO_NETWORK = "<urlopen error no network here>"
# One Python for all programs: each is forked from it, because to import torch takes longer than all that is tried here.
SERVER = """
import json, os, sys, traceback, urllib.error, urllib.request
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

for line in sys.stdin:
    job = json.loads(line)
    process = os.fork()
    if not process:
        os.chdir(job["place"])
        os.environ.update(job["variables"])
        sys.stdout = open("printed", "w")
        try:
            exec(job["program"], globals())
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        sys.stdout.flush()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""
Run = Callable[..., list[str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with small stand-ins of both sets: 100 samples for training, 20 for the test."""
    home = tmp_path_factory.mktemp("home")
    cli.make_sets([*SETS], home / HOME_FOLDER, 100)
    return home


@pytest.fixture(scope="module")
def server(made: Path) -> Iterator["subprocess.Popen[str]"]:
    """A Python as the products start it, without a network, that has imported torchvision."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTORCH_DATA_DIR"},
        "HOME": str(made),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "course_content/tools/src"), str(ROOT / "course_content/prologue")]),
    }
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], env=environment, stdin=pipe, stdout=pipe, text=True
    ) as python:
        yield python
        assert python.stdin
        python.stdin.close()


@pytest.fixture
def run(server: "subprocess.Popen[str]", tmp_path: Path) -> Run:
    """Run a program in the test's folder, with further variables, and return the lines that it prints."""

    def run_program(program: str, **variables: str) -> list[str]:
        assert server.stdin and server.stdout
        print(json.dumps({"place": str(tmp_path), "variables": variables, "program": program}), file=server.stdin)
        server.stdin.flush()
        assert server.stdout.readline() == "0\n"
        return (tmp_path / "printed").read_text().splitlines()

    return run_program


def test_programs_of_practical_6_run_as_they_were_written(run: Run, made: Path) -> None:
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
train_set = CIFAR10(data_dir + '/cifar10/', download = True, transform = torchvision.transforms.ToTensor())
loader = torchvision.datasets.vision.data.DataLoader(train_set, batch_size = 50, num_workers = 2)
print([tuple(images.shape) for images, _ in loader], train_set.classes[:2], train_set.class_to_idx["ring"])
"""
    folder = made / HOME_FOLDER
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    lines = run(program, PYTORCH_DATA_DIR=str(folder))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before, "read-only folders do, too"
    assert lines[:4] == [SAID.format("CIFAR10"), "100", SAID.format("MNIST"), "100"]
    assert lines[4:-1] == ["20", "20", *["100", "100", "20", "20"] * 3]
    assert lines[-1] == "[(50, 3, 32, 32), (50, 3, 32, 32)] ['disc', 'ring'] 1"


def test_a_folder_without_the_set(run: Run, made: Path) -> None:
    """After a download that fails, or in the course's own ./data/cifar10, the course's set is opened."""
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
    lines = run(program)
    failed = f"and the download failed ({NO_NETWORK}): it is taken from {made / HOME_FOLDER}"
    assert lines[:3] == [f"** No CIFAR10 in data/cifar10, {failed}/cifar10", SAID.format("CIFAR10"), "100"]
    assert lines[3:5] == [f"** No CIFAR10 in data/cifar10: it is taken from {made / HOME_FOLDER}/cifar10", "20"]
    assert lines[5:8] == [f"** No MNIST in data/mnist, {failed}/mnist", SAID.format("MNIST"), "100"]
    assert lines[8:10] == [f"** No MNIST in mine, {failed}/mnist", "100"]
    not_found = "RuntimeError: Dataset not found"
    assert lines[10].startswith(f"{not_found} or corrupted") and lines[11].startswith(f"{not_found}.")
    assert lines[12].startswith(f"URLError: {NO_NETWORK} {not_found} or corrupted")
    assert lines[13].startswith("RuntimeError: Error downloading") and f" {not_found}." in lines[13]


def copy_sets(made: Path, folder: Path) -> Path:
    shutil.copytree(made / HOME_FOLDER, folder)
    return folder / "cifar10"


def test_a_damaged_set_stays_damaged(run: Run, made: Path, tmp_path: Path) -> None:
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
    for line in run(program):
        first, second = line.split(" | ")
        assert first.startswith("RuntimeError: Dataset not found or corrupted"), line
        assert second == f"URLError: {NO_NETWORK}", line


def test_a_real_set_is_checked_by_the_published_sums(run: Run, made: Path, tmp_path: Path) -> None:
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
    lines = run(program)
    assert lines[0] == "100" and lines[1].startswith("RuntimeError: Dataset not found or corrupted") and len(lines) == 2


def test_products_and_the_environment_of_the_checkout_import_it_at_each_start() -> None:
    for path in ("ansible/roles/jupyter/tasks/main.yml", "practicum/commands/venv.py"):
        text = (ROOT / path).read_text()
        assert "import course_tools.datasets.at_start" in text and "course_data.pth" in text


def test_a_course_without_the_package_starts_as_well() -> None:
    (line,) = re.findall(
        r"'(import sys; exec.*course_tools.*)'", (ROOT / "ansible/roles/jupyter/tasks/main.yml").read_text()
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""


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
