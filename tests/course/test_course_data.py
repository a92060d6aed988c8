"""course-data: stand-ins in the files of the real sets, and the real ones fetched from servers that fail."""

import functools
import gzip
import hashlib
import json
import os
import pickle
import subprocess
import sys
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
from course_tools.datasets import cli, digits, fetch, in_torchvision, pictures, places, stand_in, store
from course_tools.datasets.catalogue import CIFAR10, COURSE_FOLDER, HOME_FOLDER, MNIST, SETS, Archive, DataSet
from course_tools.datasets.store import DataError
from waiting import wait_until

CONTENT = Path(__file__).parents[2] / "course_content"
PROLOGUE = CONTENT / "prologue/dlc_practical_prologue.py"
TOOLS = CONTENT / "tools/src"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, in which the test runs."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PYTORCH_DATA_DIR", raising=False)
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


# stand-ins

digits.read_sources = functools.cache(digits.read_sources)  # they are made a dozen times here


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small stand-ins of both sets."""
    folder = tmp_path_factory.mktemp("data")
    cli.make_sets([*SETS], folder, 1500)
    return folder


def test_checksums_are_those_of_torchvision() -> None:
    datasets = pytest.importorskip("torchvision.datasets", reason="torchvision is not installed beside pytest")
    archives = {archive.name: archive.md5 for name in SETS for archive in SETS[name].archives}
    assert archives == {**dict(datasets.MNIST.resources), datasets.CIFAR10.filename: datasets.CIFAR10.tgz_md5}
    assert all(len(dataset.mirrors) > 1 for dataset in SETS.values())


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


def test_stand_in_is_the_one_that_ranges_were_measured_on(made: Path) -> None:
    """Another one needs a new VERSION; sums, not checksums: the sine of one processor is not always another's."""
    labels = (made / "mnist/MNIST/raw/train-labels-idx1-ubyte").read_bytes()[8:]
    images = np.frombuffer((made / "mnist/MNIST/raw/train-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
    batch = pickle.loads((made / "cifar10/cifar-10-batches-py/data_batch_1").read_bytes(), encoding="bytes")
    assert stand_in.VERSION == 1
    assert [*labels[:20]] == [6, 9, 7, 1, 7, 7, 1, 7, 7, 5, 1, 8, 8, 5, 7, 5, 2, 2, 3, 1]
    assert batch[b"labels"][:20] == [1, 8, 4, 7, 9, 8, 9, 6, 2, 9, 3, 8, 4, 6, 7, 4, 5, 1, 9, 0]
    assert images.mean() == pytest.approx(37.6536, rel=1e-4)
    assert batch[b"data"].mean() == pytest.approx(114.2228, rel=1e-4)


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


def test_a_set_that_is_not_whole_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["make", "--samples", "20", "mnist"])
    (home / HOME_FOLDER / "mnist/MNIST/raw/t10k-labels-idx1-ubyte").unlink()
    capsys.readouterr()
    assert cli.run(["status", "mnist"]) == 1
    assert "not whole, t10k-labels-idx1-ubyte missing: course-data fetch" in capsys.readouterr().out
    with pytest.raises(DataError, match="no one folder has mnist"):
        cli.run(["path", "mnist"])
    cli.run(["make", "--samples", "20", "mnist"])
    assert cli.run(["status", "--verify", "mnist"]) == 0


def test_files_from_elsewhere_are_found_and_their_source_is_unknown(
    made: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in MNIST.files_in(made):
        packed = home / "data/mnist/MNIST/raw" / f"{path.name}.gz"
        packed.parent.mkdir(parents=True, exist_ok=True)
        packed.write_bytes(gzip.compress(path.read_bytes(), 1))
    assert cli.run(["status", "--verify", "mnist"]) == 0
    out = capsys.readouterr().out
    assert out.split()[:3] == ["mnist", "unknown", str(home / "data/mnist")] and "no source.json" in out
    cli.run(["make", "--samples", "20", "mnist"])
    assert f"but programs take {home}/data/mnist" in capsys.readouterr().out


def test_prologue_and_command_look_in_the_same_places(home: Path) -> None:
    text = PROLOGUE.read_text()
    assert f'Path("{HOME_FOLDER}")' in text and f'Path("{COURSE_FOLDER}")' in text
    assert all(f'"{dataset.name}": "{dataset.place}/{dataset.files[0]}"' in text for dataset in SETS.values())
    assert f'"stand-in": "{in_torchvision.STAND_IN}"' in text
    assert [str(folder) for folder in places.list_folders()] == ["data", str(home / HOME_FOLDER), COURSE_FOLDER]


def test_a_real_set_is_not_replaced_by_a_stand_in(home: Path) -> None:
    cli.run(["make", "--samples", "20", "mnist"])
    about = home / HOME_FOLDER / "mnist/source.json"
    about.write_text(about.read_text().replace("stand-in", "real", 1))
    with pytest.raises(DataError, match="holds the real MNIST: name another folder with --dir"):
        cli.run(["make", "--samples", "20", "mnist"])
    cli.run(["make", "--samples", "20", "mnist", "--dir", "elsewhere"])
    (home / HOME_FOLDER).rename(home / "data")
    with pytest.raises(DataError, match="holds the real MNIST"):  # one in the home folder would hide it elsewhere
        cli.run(["make", "--samples", "20", "mnist"])
    about = home / "data/mnist/source.json"
    with pytest.raises(DataError, match="holds the real MNIST"):
        cli.run(["make", "--samples", "20", "mnist", "--dir", str(about.parents[1])])


@pytest.mark.parametrize("command", [["make", "--samples", "20"], ["fetch"]])
def test_what_course_data_did_not_put_there_stays(home: Path, command: list[str]) -> None:
    project = home / "work/mnist/train.py"
    project.parent.mkdir(parents=True)
    project.write_text("months of work")
    with pytest.raises(DataError, match=r"work/mnist is in the way, and no MNIST that course-data put there: move it"):
        cli.run([*command, "mnist", "--dir", "work"])
    assert project.read_text() == "months of work"
    assert [path.name for path in (home / "work").iterdir()] == ["mnist"]


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with store.hold(tmp_path), pytest.raises(DataError, match="another course-data writes into"):
        cli.run(["make", "--samples", "20", "mnist", "--dir", str(tmp_path)])
    assert cli.run(["make", "--samples", "20", "mnist", "--dir", str(tmp_path)]) == 0


def test_killed_while_it_works_leaves_no_half_set(home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "course_tools.datasets", "make", "mnist", "cifar10"],
        env={**os.environ, "PYTHONPATH": str(TOOLS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    folder = home / HOME_FOLDER

    def works() -> bool:
        assert process.poll() is None, process.communicate()
        return (folder / ".mnist.part/MNIST/raw").is_dir()

    wait_until(works, "the folder of a set that is not complete", pause=0.01)
    process.kill()
    process.communicate()
    assert cli.run(["status"]) == 1
    assert [path.name for path in folder.iterdir()] == [".mnist.part"]
    cli.run(["make", "--samples", "20", "mnist"])
    assert [path.name for path in folder.iterdir()] == ["mnist"]


def test_missing_library_is_one_line(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    monkeypatch.setattr(digits, "read_sources", digits.read_sources.__wrapped__)
    monkeypatch.setattr("sys.argv", ["course-data", "make", "--samples", "20", "mnist"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == "course-data: sklearn.datasets is not installed in this Python: use the course's"
    assert not [*(home / HOME_FOLDER).iterdir()]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["make", "imagenet"], "imagenet: no such set: name mnist or cifar10"),
        (["make", "--samples", "3"], "--samples 3: too few to have every class"),
        (["path"], "no one folder has mnist and cifar10: course-data status shows"),
    ],
)
def test_mistakes_are_one_line(home: Path, arguments: list[str], line: str) -> None:
    with pytest.raises(DataError) as caught:
        cli.run(arguments)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


@pytest.mark.slow
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
    """A server on loopback that serves `files`, ends a connection after `cut` bytes, and notes what it is asked.

    `page`: what it sends instead of any file; `ranges`: whether it serves parts of files.
    """

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    cut: int | None = None
    status: int = 200
    page: bytes = b""
    ranges: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def mirrors(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Mirror]]:
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
                content = self.me.page or self.me.files.get(name, b"")
                partial = bool(span) and self.me.ranges and not self.me.page
                start = int(str(span).removeprefix("bytes=").rstrip("-")) if partial else 0
                body = content[start:]
                self.send_response(404 if not content else 206 if partial and self.me.status == 200 else self.me.status)
                self.send_header("Location", self.path)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: self.me.cut])
                if self.me.cut is not None and len(body) > self.me.cut:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        monkeypatch.setattr(server, "handle_error", lambda *_: None)  # a client that left early
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
            archives=tuple(describe(archive.name, packed[archive.name]) for archive in dataset.archives),
            mirrors=urls,
        )
        for dataset in (MNIST, CIFAR10)
    }


def describe(name: str, content: bytes) -> Archive:
    """What a publisher tells of a file."""
    return Archive(name, len(content), hashlib.md5(content).hexdigest())


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


def only(dataset: DataSet, number: int, mirrors: int = 2) -> tuple[DataSet, Archive]:
    """`dataset` with one archive alone, and so many mirrors."""
    archive = dataset.archives[number]
    return replace(dataset, archives=(archive,), mirrors=dataset.mirrors[:mirrors]), archive


def test_broken_connection_is_resumed(published: dict[str, DataSet], mirrors: list[Mirror], tmp_path: Path) -> None:
    images, archive = only(published["mnist"], 0, mirrors=1)
    mirrors[0].cut = archive.size // 4 + 1
    heard: list[int] = []
    (tmp_path / "out").mkdir()
    fetch.fetch(images, tmp_path / "downloads", tmp_path / "out", heard.append)
    offsets = [mirrors[0].cut * number for number in range(4)]
    assert [span for _, span in mirrors[0].asked] == [None, *(f"bytes={offset}-" for offset in offsets[1:])]
    assert sum(heard) == archive.size


def test_next_run_goes_on_where_the_last_one_ended(
    published: dict[str, DataSet], mirrors: list[Mirror], tmp_path: Path
) -> None:
    images, archive = only(published["mnist"], 0)
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / f"{archive.name}.part").write_bytes(mirrors[0].files[archive.name][:1000])
    bring(images, tmp_path)
    assert mirrors[0].asked == [(archive.name, "bytes=1000-")]


def test_server_that_serves_no_parts_starts_anew(
    published: dict[str, DataSet], mirrors: list[Mirror], tmp_path: Path
) -> None:
    images, archive = only(published["mnist"], 0, mirrors=1)
    mirrors[0].ranges = False
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / f"{archive.name}.part").write_bytes(b"x" * 1000)
    assert bring(images, tmp_path) == [archive.name.removesuffix(".gz")]


@pytest.mark.parametrize("size", [1000, 10_000_000])
def test_wrong_beginning_is_downloaded_again(
    published: dict[str, DataSet], mirrors: list[Mirror], tmp_path: Path, size: int
) -> None:
    images, archive = only(published["mnist"], 0, mirrors=1)
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / f"{archive.name}.part").write_bytes(b"x" * size)
    assert bring(images, tmp_path) == [archive.name.removesuffix(".gz")]


def test_login_page_of_a_network_spoils_nothing(
    published: dict[str, DataSet], mirrors: list[Mirror], tmp_path: Path
) -> None:
    images, archive = only(published["mnist"], 0)
    (tmp_path / "downloads").mkdir()
    part = tmp_path / "downloads" / f"{archive.name}.part"
    part.write_bytes(mirrors[0].files[archive.name][:1000])
    mirrors[0].page, mirrors[1].status = b"<html>Who are you?</html>", 302
    with pytest.raises(DataError, match=r"has another file under this name; .* does not answer \(.*redirects"):
        bring(images, tmp_path)
    assert part.stat().st_size == 1000


def test_lying_mirror_is_left_for_the_next(
    published: dict[str, DataSet], mirrors: list[Mirror], tmp_path: Path
) -> None:
    mirrors[0].files = {name: b"x" * len(content) for name, content in mirrors[0].files.items()}
    assert bring(published["mnist"], tmp_path) == sorted(MNIST.files)
    assert not [*(tmp_path / "downloads").glob("*.part")]
    assert [len(mirror.asked) for mirror in mirrors] == [4, 4], "it was not asked twice"


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


def test_archive_gives_its_files_and_nothing_else(made: Path, tmp_path: Path) -> None:
    archive, out = tmp_path / "cifar-10-python.tar.gz", tmp_path / "out"
    out.mkdir()
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(made / "cifar10/cifar-10-batches-py", "cifar-10-batches-py")
        for name in ("../escaped", "cifar-10-batches-py/readme.html"):
            tar.addfile(tarfile.TarInfo(name))
    fetch.unpack(CIFAR10, archive, out)
    assert sorted(path.name for path in out.iterdir()) == sorted(CIFAR10.files)
    assert not (tmp_path / "escaped").exists()


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
