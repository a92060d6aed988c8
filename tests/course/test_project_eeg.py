"""Mini-project eeg: the loader takes the published format and nothing else, made-up recordings are of the same form."""

import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed beside pytest: no project can be tested here")
numpy = pytest.importorskip("numpy")

CONTENT = Path(__file__).parents[2] / "course_content"
FOLDER = CONTENT / "projects/eeg"


@pytest.fixture(scope="module")
def dlc_bci() -> Iterator[ModuleType]:
    sys.path.insert(0, str(FOLDER))
    yield __import__("dlc_bci")
    sys.path.remove(str(FOLDER))
    sys.modules.pop("dlc_bci")


@pytest.fixture(autouse=True)
def nowhere(dlc_bci: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No recordings in the places where they are looked for, and nothing said of them yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTORCH_DATA_DIR", str(tmp_path / "course"))
    monkeypatch.setattr(dlc_bci, "told", set())


@pytest.fixture(scope="module")
def root(dlc_bci: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with made-up recordings."""
    folder: Path = dlc_bci.make_stand_in(tmp_path_factory.mktemp("recordings"))
    return folder


def write_rows(path: Path, nb_rows: int, nb_columns: int, label: bool) -> numpy.ndarray:
    """A file of the published form whose value in row i and column j is i + j / 100000."""
    rows = numpy.arange(nb_rows)[:, None] + numpy.arange(nb_columns)[None] / 100000
    labels = numpy.arange(nb_rows)[:, None] % 2
    numpy.savetxt(path, numpy.hstack([labels, rows]) if label else rows, fmt="%.7e", delimiter="\t")
    return rows


@pytest.fixture(scope="module")
def train_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training file of the published form."""
    path: Path = tmp_path_factory.mktemp("published") / "sp1s_aa_train.txt"
    write_rows(path, 316, 28 * 50, label=True)
    return path


def test_sizes_and_types(dlc_bci: ModuleType, root: Path) -> None:
    for train, nb in ((True, 316), (False, 100)):
        input, target = dlc_bci.load(root, train=train)
        assert input.shape == (nb, 28, 50) and input.dtype == torch.float32
        assert target.shape == (nb,) and target.dtype == torch.int64
        assert target.unique().tolist() == [0, 1] and target.sum() == nb // 2


def test_order_of_the_values(dlc_bci: ModuleType, train_file: Path) -> None:
    """Label first, then channel after channel; tabs or blanks between."""
    input, target = dlc_bci.load(str(train_file.parent), True, False)
    assert target.tolist() == [i % 2 for i in range(316)]
    assert abs(input[7, 3, 4].item() - (7 + (3 * 50 + 4) / 100000)) < 1e-5


def test_one_khz(dlc_bci: ModuleType, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "sp1s_aa_test_1000Hz.txt", 100, 28 * 500, label=False)
    (tmp_path / "labels_data_set_iv.txt").write_text("1\n0\n" * 50)
    input, target = dlc_bci.load(tmp_path, train=False, one_khz=True)
    assert input.shape == (100, 28, 500)
    assert abs(input[7, 3, 4].item() - rows[7, 3 * 500 + 4]) < 1e-5
    assert target[:3].tolist() == [1, 0, 1]


def test_without_recordings_they_are_made_up_and_this_is_said_once(
    dlc_bci: ModuleType, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Calls of older programs, both rates: 100 Hz has the means of ten of 1 kHz, and what a file would hold."""
    for train, nb in ((True, 316), (False, 100)):
        input, target = dlc_bci.load(root="./data_bci", train=train, download=True)
        fast, same = dlc_bci.load("./data_bci", train=train, one_khz=True)
        assert input.shape == (nb, 28, 50) and fast.shape == (nb, 28, 500)
        assert torch.equal(target, same)
        torch.testing.assert_close(fast.view(nb, 28, 50, 10).mean(3), input, rtol=0, atol=1e-3)
        written, _ = dlc_bci.load(root, train=train)
        torch.testing.assert_close(input, written)
    assert capsys.readouterr().out == dlc_bci.MADE_UP + "\n"
    assert not [*tmp_path.iterdir()]


def test_one_khz_of_made_up_files_is_made_of_their_seed(dlc_bci: ModuleType, tmp_path: Path) -> None:
    folder = dlc_bci.make_stand_in(tmp_path / "made", seed=3)
    slow, fast = dlc_bci.load(folder)[0], dlc_bci.load(folder, one_khz=True)[0]
    torch.testing.assert_close(fast.view(316, 28, 50, 10).mean(3), slow, rtol=0, atol=1e-3)


def test_recordings_of_the_course_come_before_made_up_ones(
    dlc_bci: ModuleType, train_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "course").mkdir()
    (tmp_path / "course/bci").symlink_to(train_file.parent)
    assert dlc_bci.load("data")[1].tolist() == [i % 2 for i in range(316)]
    assert capsys.readouterr().out == ""


def test_a_part_of_the_recordings_is_not_filled_up(dlc_bci: ModuleType, train_file: Path) -> None:
    for options, name in (({"train": False}, "sp1s_aa_test.txt"), ({"one_khz": True}, "sp1s_aa_train_1000Hz.txt")):
        with pytest.raises(dlc_bci.BciDataError) as error:
            dlc_bci.load(train_file.parent, **options)
        message = str(error.value)
        assert "\n" not in message and dlc_bci.PAGE in message
        assert message.startswith(f"{name} is not in {train_file.parent}: get data set IV of the BCI Competition II")


def test_test_labels_are_missing(dlc_bci: ModuleType, tmp_path: Path) -> None:
    write_rows(tmp_path / "sp1s_aa_test.txt", 100, 1400, label=False)
    with pytest.raises(dlc_bci.BciDataError, match=r"^labels_data_set_iv.txt is not in"):
        dlc_bci.load(tmp_path, train=False)


@pytest.mark.parametrize(
    ("rows", "columns", "label", "line"),
    [
        (316, 1400, False, "316 rows of 1400 numbers instead of 316 rows of 1401"),
        (316, 14000, True, "316 rows of 14001 numbers instead of 316 rows of 1401"),
        (200, 1400, True, "200 rows of 1401 numbers instead of 316 rows of 1401"),
    ],
)
def test_wrong_sizes(dlc_bci: ModuleType, tmp_path: Path, rows: int, columns: int, label: bool, line: str) -> None:
    row = "\t".join(["1"] * (label + columns))  # short numbers: all of them are read before they are counted
    (tmp_path / "sp1s_aa_train.txt").write_text(f"{row}\n" * rows)
    with pytest.raises(dlc_bci.BciDataError, match=line):
        dlc_bci.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda text: text[: len(text) // 2], "cannot be read as rows of numbers|rows of"),
        (lambda text: text.replace("\t", ",", 1), "cannot be read as rows of numbers"),
        (lambda text: "<html>not found</html>", "cannot be read as rows of numbers"),
        (lambda text: text.replace("1.0000100e+00", "nan", 1), "not all numbers are finite"),
        (lambda text: "2.0" + text[text.index("\t") :], "a label is neither 0 nor 1"),
    ],
    ids=["half", "comma", "web page", "nan", "label"],
)
def test_damaged_files(dlc_bci: ModuleType, train_file: Path, tmp_path: Path, change, line: str) -> None:
    (tmp_path / "sp1s_aa_train.txt").write_text(change(train_file.read_text()))
    with pytest.raises(dlc_bci.BciDataError, match=line) as error:
        dlc_bci.load(tmp_path)
    assert "\n" not in str(error.value)


def test_an_empty_file(dlc_bci: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "sp1s_aa_train.txt").write_text("")
    with pytest.raises(dlc_bci.BciDataError, match="rows of"), pytest.warns(UserWarning):
        dlc_bci.load(tmp_path)


def test_made_up_recordings_are_the_same_each_time(dlc_bci: ModuleType, root: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in root.iterdir()) == [
        "STAND-IN.txt", "labels_data_set_iv.txt", "sp1s_aa_test.txt", "sp1s_aa_train.txt",
    ]  # fmt: skip
    assert dlc_bci.is_stand_in(root)
    for seed, same in ((0, True), (1, False)):
        other = dlc_bci.make_stand_in(tmp_path / str(seed), seed=seed)
        equal = (other / "sp1s_aa_test.txt").read_bytes() == (root / "sp1s_aa_test.txt").read_bytes()
        assert equal == same


def test_made_up_recordings_of_one_khz_agree(dlc_bci: ModuleType) -> None:
    fast, labels = dlc_bci.make_trials(20, seed=1)
    assert fast.shape == (20, 28, 500) and labels.tolist() != sorted(labels.tolist())


def test_real_recordings_are_never_overwritten(dlc_bci: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "sp1s_aa_train.txt").write_text("real")
    with pytest.raises(dlc_bci.BciDataError, match="not made up"):
        dlc_bci.make_stand_in(tmp_path)
    assert (tmp_path / "sp1s_aa_train.txt").read_text() == "real"


def test_the_potential_falls_on_the_other_side(dlc_bci: ModuleType, root: Path) -> None:
    input, target = dlc_bci.load(root)
    late = input[:, :, 35:].mean(2)
    difference = late[:, dlc_bci.CHANNELS.index("C3")] - late[:, dlc_bci.CHANNELS.index("C4")]
    assert difference[target == 1].mean() < difference[target == 0].mean() - 2


def test_made_up_recordings_keep_the_published_order(
    dlc_bci: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One round of each network of the solution, on 400 further trials: 100 to test are too few for a single round."""
    monkeypatch.syspath_prepend(FOLDER / "solutions")
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.delitem(sys.modules, "models", raising=False)
    solution = SimpleNamespace(**runpy.run_path(str(FOLDER / "solutions/test.py"), run_name="solution"))
    sys.modules.pop("models")  # other projects have a module of this name
    more, target = dlc_bci.make_trials(400, seed=99)
    train_input, train_target = dlc_bci.load(root)
    train_input, input = solution.normalize(train_input, torch.from_numpy(dlc_bci.average(more)).float())
    errors = {}
    for name, (make_model, *settings) in solution.SETTINGS.items():
        torch.manual_seed(0)
        model = make_model(50)
        solution.train_model(model, train_input, train_target, *settings)
        errors[name] = solution.compute_error(model, input, torch.from_numpy(target))
    assert errors["logistic"] - 0.02 > errors["convnet"] > errors["convnet, dropout"] + 0.02, errors


def test_find_root(dlc_bci: ModuleType, root: Path, tmp_path: Path) -> None:
    if not Path("/opt/course/data/bci").exists():
        assert dlc_bci.find_root() is None
    (tmp_path / "course").mkdir()
    (tmp_path / "course/bci").symlink_to(root)
    assert dlc_bci.find_root() == tmp_path / "course/bci"
    (tmp_path / "data").symlink_to(root)
    assert dlc_bci.find_root() == Path("data")


@pytest.mark.slow
def test_the_starter_runs_without_arguments(root: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "COURSE_TINY": "1",
        "OMP_NUM_THREADS": "1",
        "PYTORCH_DATA_DIR": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(CONTENT / "tools/src"),
    }
    (tmp_path / "bci").symlink_to(root)
    done = subprocess.run(
        [sys.executable, "-Werror::DeprecationWarning", "-Werror::FutureWarning", FOLDER / "test.py"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout and "test" in done.stdout
