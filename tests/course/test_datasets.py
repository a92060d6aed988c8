"""course-data: stand-ins in the files of the real sets, and the real ones fetched from servers that fail."""

import gzip
import hashlib
import json
import pickle
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed beside pytest: the data sets are not tried here")

import numpy as np
from course_tools.datasets import cli, digits, fetch, pictures, stand_in, store
from course_tools.datasets.catalogue import CIFAR10, COURSE_FOLDER, HOME_FOLDER, MNIST, SETS, Archive, DataSet
from course_tools.datasets.store import DataError

PROLOGUE = Path(__file__).parents[2] / "course_content/prologue/dlc_practical_prologue.py"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, in which the test runs."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PYTORCH_DATA_DIR", raising=False)
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


# stand-ins


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small stand-ins of both sets."""
    folder = tmp_path_factory.mktemp("data")
    cli.make_sets([*SETS], folder, 1500)
    return folder


def test_both_sets_open_as_the_real_ones_do(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("torchvision.datasets", reason="torchvision is not installed beside pytest")
    train = datasets.MNIST(root=made / "mnist", train=True, download=False)
    assert train.data.shape == (1500, 28, 28) and sorted(set(train.targets.tolist())) == [*range(10)]
    with pytest.raises(RuntimeError, match="not found or corrupted"):  # it knows the checksums of the real one
        datasets.CIFAR10(root=made / "cifar10", download=False)
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setitem(datasets.CIFAR10.meta, "md5", None)
    pictures_in = datasets.CIFAR10(root=made / "cifar10", download=False)
    assert pictures_in.data.shape == (1500, 32, 32, 3) and pictures_in.classes == [*pictures.NAMES]


@pytest.mark.parametrize(("encoding", "key"), [("bytes", bytes), ("latin1", bytes.decode)])
def test_batches_are_read_as_text_or_as_bytes(made: Path, encoding: str, key: Any) -> None:
    batch = pickle.loads((made / "cifar10/cifar-10-batches-py/data_batch_1").read_bytes(), encoding=encoding)
    assert batch[key(b"data")].shape == (300, 3072) and batch[key(b"data")].dtype == np.uint8
    assert len(batch[key(b"labels")]) == len(batch[key(b"filenames")]) == 300
    assert batch[key(b"batch_label")] == key(b"training batch 1 of 5")
    meta = pickle.loads((made / "cifar10/cifar-10-batches-py/batches.meta").read_bytes(), encoding=encoding)
    assert meta[key(b"num_vis")] == 3072


def test_stand_in_says_that_it_is_one(made: Path) -> None:
    for dataset in SETS.values():
        found = store.read(dataset, made)
        assert found and found.source == "stand-in"
        assert store.find_changed(dataset, found) == []
        note = json.loads((made / dataset.name / "source.json").read_text())
        assert note["set"] == dataset.name and note["version"] == stand_in.VERSION and note["note"]


def test_same_request_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    cli.make_sets([*SETS], tmp_path, 1500)
    for dataset in SETS.values():
        for one, two in zip(dataset.files_in(made), dataset.files_in(tmp_path), strict=True):
            assert store.hash_file(one) == store.hash_file(two)


def test_no_source_is_in_both_parts_and_the_first_samples_are_all_different(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[np.ndarray] = []
    vary = digits.vary

    def note(sources: Any, index: Any, rng: Any, report: Any) -> Any:
        used.append(index)
        return vary(sources, index, rng, report)

    monkeypatch.setattr(digits, "vary", note)
    digits.make(1300, 400, 0, lambda count: None)
    train, test = used
    assert not set(train.tolist()) & set(test.tolist())
    assert len(set(train[:1000].tolist())) == 1000


def test_images_look_like_those_of_mnist(made: Path) -> None:
    images = np.frombuffer((made / "mnist/MNIST/raw/train-images-idx3-ubyte").read_bytes(), np.uint8, offset=16) / 255
    assert 0.11 < images.mean() < 0.18 and 0.27 < images.std() < 0.35  # MNIST: 0.131 and 0.308
    border = images.reshape(-1, 28, 28)[:, [0, -1]]
    assert border.mean() < 0.005, "digits lie in the middle"


def test_colour_says_nothing_of_the_class() -> None:
    images, classes = pictures.make(2000, np.random.default_rng(0), lambda count: None)
    overall = images.mean()
    means = [images[classes == kind].mean() for kind in range(10)]
    assert max(abs(mean - overall) for mean in means) < 0.08 * overall
    assert len(np.unique(images)) <= 17, "few levels, or the images would not pack"


# what is on the machine


def test_status_tells_what_programs_get(made: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["status", "mnist"]) == 1
    assert "missing   course-data fetch" in capsys.readouterr().out
    (home / HOME_FOLDER).parent.mkdir(parents=True)
    (home / HOME_FOLDER).symlink_to(made)
    assert cli.run(["status", "--verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["mnist", "stand-in"], ["cifar10", "stand-in"]]
    assert cli.run(["path"]) == 0
    assert capsys.readouterr().out.strip() == str(home / HOME_FOLDER)


def test_a_changed_file_is_found(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["make", "--samples", "20", "mnist"])
    path = home / HOME_FOLDER / "mnist/MNIST/raw/t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x09")
    capsys.readouterr()
    assert cli.run(["status", "mnist"]) == 0, "sizes alone say nothing"
    assert cli.run(["status", "--verify", "mnist"]) == 1
    assert "changed: t10k-labels-idx1-ubyte" in capsys.readouterr().out


def test_prologue_and_command_look_in_the_same_places(home: Path) -> None:
    text = PROLOGUE.read_text()
    assert f'Path("{HOME_FOLDER}")' in text and f'Path("{COURSE_FOLDER}")' in text
    assert [str(folder) for folder in cli.list_folders()] == ["data", str(home / HOME_FOLDER), COURSE_FOLDER]


def test_a_real_set_is_not_replaced_by_a_stand_in(home: Path) -> None:
    cli.run(["make", "--samples", "20", "mnist"])
    about = home / HOME_FOLDER / "mnist/source.json"
    about.write_text(about.read_text().replace("stand-in", "real", 1))
    with pytest.raises(DataError, match="holds the real MNIST: name another folder with --dir"):
        cli.run(["make", "--samples", "20", "mnist"])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["make", "imagenet"], "imagenet: no such set: name mnist or cifar10"),
        (["make", "--samples", "3"], "--samples 3: too few to have every class"),
        (["path"], "no folder has mnist and cifar10: course-data status shows"),
    ],
)
def test_mistakes_are_one_line(home: Path, arguments: list[str], line: str) -> None:
    with pytest.raises(DataError) as caught:
        cli.run(arguments)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_a_set_that_cannot_be_finished_leaves_the_earlier_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.run(["make", "--samples", "20", "mnist"])
    before = (home / HOME_FOLDER / "mnist/source.json").read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr(stand_in, "write_idx", fail)
    with pytest.raises(DataError, match="No space left on device: make room"):
        cli.run(["make", "--samples", "20", "mnist"])
    assert (home / HOME_FOLDER / "mnist/source.json").read_bytes() == before
    assert [path.name for path in (home / HOME_FOLDER).iterdir()] == ["mnist"]


# the real sets


@dataclass
class Mirror:
    """A server on loopback that serves `files`, ends a connection after `cut` bytes, and notes what it is asked."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    cut: int | None = None
    status: int = 200
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def mirrors() -> Iterator[list[Mirror]]:
    """Two mirrors."""
    servers, made = [], []
    for _ in range(2):
        mirror = Mirror("")

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            me = mirror

            def do_GET(self) -> None:
                name, span = self.path.lstrip("/"), self.headers.get("Range")
                self.me.asked.append((name, span))
                content = self.me.files.get(name, b"")
                start = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
                status = self.me.status if self.me.status != 200 else 206 if span else 200
                self.send_response(404 if not content else 416 if start >= len(content) else status)
                body = content[start:]
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: self.me.cut])
                if self.me.cut is not None and len(body) > self.me.cut:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        mirror.url = f"http://127.0.0.1:{server.server_address[1]}/"
        servers.append(server)
        made.append(mirror)
    yield made
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def published(made: Path, mirrors: list[Mirror]) -> dict[str, DataSet]:
    """Both sets as their publishers would have packed the stand-ins, on both mirrors."""
    packed = {f"{path.name}.gz": gzip.compress(path.read_bytes(), 1) for path in MNIST.files_in(made)}
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        tar.add(made / "cifar10/cifar-10-batches-py", "cifar-10-batches-py")
    packed["cifar-10-python.tar.gz"] = buffer.getvalue()
    urls = tuple(mirror.url for mirror in mirrors)
    for mirror in mirrors:
        mirror.files = dict(packed)
    return {
        dataset.name: replace(
            dataset,
            archives=tuple(Archive(a.name, hashlib.md5(packed[a.name]).hexdigest()) for a in dataset.archives),
            mirrors=urls,
        )
        for dataset in (MNIST, CIFAR10)
    }


def bring(dataset: DataSet, tmp_path: Path) -> list[str]:
    """Fetch into a new folder; the names of its files."""
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    fetch.fetch(dataset, tmp_path / "downloads", out, lambda count: None)
    return sorted(path.name for path in out.iterdir())


@pytest.mark.parametrize("name", [*SETS])
def test_real_set_is_fetched(
    home: Path, made: Path, published: dict[str, DataSet], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(SETS, name, published[name])
    assert cli.run(["fetch", name]) == 0
    found = store.read(published[name], home / HOME_FOLDER)
    assert found and found.source == "real" and not store.find_changed(published[name], found)
    for ours, theirs in zip(SETS[name].files_in(home / HOME_FOLDER), SETS[name].files_in(made), strict=True):
        assert ours.read_bytes() == theirs.read_bytes()
    assert [path.name for path in (home / HOME_FOLDER).iterdir()] == [name], "no download is left"
    assert cli.run(["fetch", name]) == 0, "it is there already"


def test_broken_connection_is_resumed(published: dict[str, DataSet], mirrors: list[Mirror], tmp_path: Path) -> None:
    mirrors[0].cut = 20_000
    bring(replace(published["mnist"], archives=published["mnist"].archives[1:2]), tmp_path)
    name = published["mnist"].archives[0].name
    mirrors[0].cut = len(mirrors[0].files[name]) // 2 + 1
    assert fetch.is_right(tmp_path / "downloads" / published["mnist"].archives[1].name, published["mnist"].archives[1])
    bring(replace(published["mnist"], archives=published["mnist"].archives[:1]), tmp_path)
    spans = [span for asked, span in mirrors[0].asked if asked == name]
    assert spans == [None, f"bytes={mirrors[0].cut}-"]


def test_lying_mirror_is_left_for_the_next(
    published: dict[str, DataSet], mirrors: list[Mirror], tmp_path: Path
) -> None:
    mirrors[0].files = {name: b"x" * len(content) for name, content in mirrors[0].files.items()}
    assert bring(published["mnist"], tmp_path) == sorted(MNIST.files)
    assert not [*(tmp_path / "downloads").glob("*.part")]


def test_every_mirror_s_reason_is_told(published: dict[str, DataSet], mirrors: list[Mirror], tmp_path: Path) -> None:
    mirrors[0].status, mirrors[1].files = 503, {}
    with pytest.raises(DataError) as caught:
        bring(published["cifar10"], tmp_path)
    message = str(caught.value)
    assert "\n" not in message and "answers HTTP 503" in message and "answers HTTP 404" in message
    assert f"lay the file into {tmp_path / 'downloads'}" in message


def test_no_network_is_one_line(tmp_path: Path) -> None:
    nowhere = replace(CIFAR10, mirrors=("http://127.0.0.1:9/",))
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz cannot be had \(127\.0\.0\.1 does not answer"):
        bring(nowhere, tmp_path)


def test_file_laid_there_by_hand_is_taken(published: dict[str, DataSet], mirrors: list[Mirror], tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/cifar-10-python.tar.gz").write_bytes(mirrors[0].files["cifar-10-python.tar.gz"])
    assert bring(published["cifar10"], tmp_path) == sorted(CIFAR10.files)
    assert not mirrors[0].asked and not mirrors[1].asked


def test_failed_fetch_leaves_what_was_there(
    home: Path, published: dict[str, DataSet], mirrors: list[Mirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.run(["make", "--samples", "20", "mnist"])
    monkeypatch.setitem(SETS, "mnist", published["mnist"])
    for mirror in mirrors:
        mirror.status = 500
    with pytest.raises(DataError):
        cli.run(["fetch", "mnist"])
    found = store.read(MNIST, home / HOME_FOLDER)
    assert found and found.source == "stand-in"
