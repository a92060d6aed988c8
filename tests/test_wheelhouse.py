"""The wheelhouse of a lock: complete, shared, repaired, and made without a network when nothing is missing."""

import errno
import multiprocessing
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
import uv
from loopback import Index, make_wheel, serve
from survivors import wait_until

from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.wheels import lockfile as locks
from practicum.wheels import wheelhouse
from practicum.wheels.lockfile import LockedPackage
from practicum.wheels.wheelhouse import Wheelhouse, prepare

NAMES = ("alpha", "beta", "gamma")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    with serve(tmp_path / "index") as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index.url}/simple/")
        yield index


@pytest.fixture
def lock(tmp_path: Path, index: Index) -> Path:
    return write_lock(tmp_path, index, [make_wheel(index.folder, name, "1.0") for name in NAMES])


def write_lock(tmp_path: Path, index: Index, paths: list[Path]) -> Path:
    wheels = [index.wheel(path) for path in paths]
    lines = [LockedPackage(wheel.name, wheel.version, (wheel.sha256,)).line for wheel in wheels]
    lock = tmp_path / "semesters/2027-spring/python-cpu.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("\n".join(["# target: python 3.11, x86_64-manylinux_2_36", *lines, ""]))
    return lock


def downloads(index: Index) -> dict[str, int]:
    return {name.partition("-")[0]: len(asked) for name, asked in index.asked.items()}


def test_house_holds_what_the_lock_names(tmp_path: Path, lock: Path) -> None:
    house = prepare(lock, tmp_path / "cache", Console())
    assert {path.name for path in house.folder.iterdir()} == {
        "requirements.txt",
        *(f"{name}-1.0-py3-none-any.whl" for name in NAMES),
    }
    assert house.requirements == house.folder / "requirements.txt"
    assert house.requirements.read_text() == "".join(f"{line}\n" for line in lock.read_text().splitlines()[1:])
    assert house.notes == ()
    assert house.folder.stat().st_mode & 0o777 == 0o755


def test_house_installs_offline_with_hashes(tmp_path: Path, lock: Path, index: Index) -> None:
    house = prepare(lock, tmp_path / "cache", Console())
    index.asked.clear()
    target = tmp_path / "installed"
    argv = [
        *(uv.find_uv_bin(), "pip", "install", "--no-index", "--find-links", str(house.folder), "--require-hashes"),
        *("-r", str(house.requirements), "--target", str(target), "--python", sys.executable),
    ]
    subprocess.run(argv, check=True, capture_output=True)
    assert {path.name for path in target.iterdir() if path.is_dir() and "-" not in path.name} == set(NAMES)
    assert index.asked == {}


def test_second_time_needs_no_network_and_no_uv(
    tmp_path: Path, lock: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(lock, tmp_path / "cache", Console())
    made = first.folder.stat().st_ino
    monkeypatch.setattr(wheelhouse, "locate", lambda lock: pytest.fail("asked the resolver"))
    lock.write_text(f"# a comment is not a change\n{lock.read_text()}")
    assert prepare(lock, tmp_path / "cache", Console()) == first
    assert first.folder.stat().st_ino == made, "a whole house is left alone: a container may have it mounted"
    assert downloads(index) == dict.fromkeys(NAMES, 1)


def test_only_what_is_missing_is_downloaded(tmp_path: Path, lock: Path, index: Index) -> None:
    first = prepare(lock, tmp_path / "cache", Console())
    paths = [index.folder / f"{name}-1.0-py3-none-any.whl" for name in NAMES[:2]]
    write_lock(tmp_path, index, [*paths, make_wheel(index.folder, "delta", "2.0")])
    second = prepare(lock, tmp_path / "cache", Console())
    assert downloads(index) == dict.fromkeys((*NAMES, "delta"), 1)
    assert second.folder != first.folder and first.folder.exists(), "another checkout may still build from the first"
    alpha = "alpha-1.0-py3-none-any.whl"
    assert (first.folder / alpha).samefile(second.folder / alpha)


def test_spoilt_house_is_made_again(tmp_path: Path, lock: Path, index: Index) -> None:
    house = prepare(lock, tmp_path / "cache", Console())
    (house.folder / "alpha-1.0-py3-none-any.whl").unlink()
    (house.folder / "stray.whl").write_text("x")
    house.requirements.write_text("nothing")
    assert prepare(lock, tmp_path / "cache", Console()) == house
    assert {path.name for path in house.folder.iterdir()} == {
        "requirements.txt",
        *(f"{name}-1.0-py3-none-any.whl" for name in NAMES),
    }
    assert "alpha==1.0" in house.requirements.read_text()
    assert downloads(index) == dict.fromkeys(NAMES, 1)


def test_spoilt_wheel_is_downloaded_again(tmp_path: Path, lock: Path, index: Index) -> None:
    house = prepare(lock, tmp_path / "cache", Console())
    wheel = house.folder / "beta-1.0-py3-none-any.whl"
    good = wheel.read_bytes()
    wheel.write_bytes(good[:-1] + b"!")  # a hard link: the store is spoilt with it
    os.utime(wheel, (1, 1))
    prepare(lock, tmp_path / "cache", Console())
    assert wheel.read_bytes() == good
    assert downloads(index) == {"alpha": 1, "beta": 2, "gamma": 1}


def test_spoilt_index_is_made_again(tmp_path: Path, lock: Path, index: Index) -> None:
    house = prepare(lock, tmp_path / "cache", Console())
    (record,) = house.folder.parent.glob("*.json")
    assert "127.0.0.1" not in record.read_text(), "addresses are not kept"
    for spoilt in ("{", "[1]", '[{"name": "x"}]', "[]"):
        record.write_text(spoilt)
        assert prepare(lock, tmp_path / "cache", Console()) == house
    assert downloads(index) == dict.fromkeys(NAMES, 1)


def test_cache_without_hard_links(tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def refuse(source: str, name: str, **options: object) -> None:
        if not options:  # publish.py gives a nameless file its name, which is another matter
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        real(source, name, **options)

    monkeypatch.setattr(os, "link", refuse)
    house = prepare(lock, tmp_path / "cache", Console())
    made = house.folder.stat().st_ino
    assert (house.folder / "alpha-1.0-py3-none-any.whl").stat().st_nlink == 1
    prepare(lock, tmp_path / "cache", Console())
    assert house.folder.stat().st_ino == made


def test_network_down(tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(
        PracticumError, match=r"^semesters/2027-spring/python-cpu.lock: .*; check the network"
    ) as caught:
        prepare(lock, tmp_path / "cache", Console())
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").glob("wheelhouses/*"))


def test_no_room(tmp_path: Path, lock: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    real = locks.locate(lock)
    big = [type(wheel)(**{**vars(wheel), "size": 1 << 60}) for wheel in real]
    monkeypatch.setattr(wheelhouse, "locate", lambda lock: big)
    with pytest.raises(PracticumError, match=r"^downloading 3 wheels: needs .* free in .*, where .* are; "):
        prepare(lock, tmp_path / "cache", Console())
    assert downloads(index) == {}


def test_progress_in_plain_lines(tmp_path: Path, lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(lock, tmp_path / "cache", Console())
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"\[ +\d+\.\d s\] 3 wheels: 2 MB", last), "an index that tells no size"
    prepare(lock, tmp_path / "cache", Console())
    assert capsys.readouterr().err == "", "nothing to download, nothing to say"


def _prepare_in_process(lock: Path, cache: Path, both: Barrier) -> None:
    both.wait()
    prepare(lock, cache, Console())


def test_two_builds_at_once(tmp_path: Path, lock: Path, index: Index) -> None:
    index.gate.clear()
    context = multiprocessing.get_context("spawn")
    arguments = (lock, tmp_path / "cache", context.Barrier(2))
    both = [context.Process(target=_prepare_in_process, args=arguments) for _ in range(2)]
    for process in both:
        process.start()
    wait_until(lambda: len(index.asked) == len(NAMES))
    index.gate.set()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert downloads(index) == dict.fromkeys(NAMES, 1)
    folders = [path for path in (tmp_path / "cache/wheelhouses").iterdir() if path.is_dir()]
    assert len(folders) == 1, "no unfinished folder is left"
    assert isinstance(prepare(lock, tmp_path / "cache", Console()), Wheelhouse)
