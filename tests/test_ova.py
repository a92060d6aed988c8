"""Packing and publishing an OVA."""

import hashlib
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from small_ova import APPLIANCE, DISK, MTIME, NAME, write_raw

from practicum.engine import publish
from practicum.engine.errors import PracticumError
from practicum.ova import ovf
from practicum.ova import pack as ova
from practicum.ova.vmdk import write_stream_optimized


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disk")
    write_stream_optimized(write_raw(folder / "disk.raw"), folder / "disk.vmdk", level=1)
    return folder / "disk.vmdk"


@pytest.fixture(scope="module")
def descriptor(disk: Path) -> bytes:
    return ovf.describe(APPLIANCE, ovf.Disk.of(disk, DISK))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "dist" / "small.ova"


def write(out: Path, descriptor: bytes, disk: Path) -> None:
    ova.write(out, descriptor, disk, name=NAME, mtime=MTIME)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_members(out: Path, descriptor: bytes, disk: Path) -> None:
    write(out, descriptor, disk)
    with tarfile.open(out, "r:") as archive:
        members = archive.getmembers()
        manifest = archive.extractfile(f"{NAME}.mf")
        assert manifest and manifest.read().decode() == (
            f"SHA256({NAME}.ovf)= {hashlib.sha256(descriptor).hexdigest()}\n"
            f"SHA256({DISK})= {hashlib.sha256(disk.read_bytes()).hexdigest()}\n"
        )
    assert [member.name for member in members] == [f"{NAME}.ovf", f"{NAME}.mf", DISK]
    for member in members:
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "root", "root")
        assert (member.mode, member.mtime, member.type) == (0o644, MTIME, tarfile.REGTYPE)
    assert out.read_bytes()[257:265] == b"ustar\x0000"
    assert out.stat().st_mode & 0o777 == 0o644


def test_checksum_beside_it(out: Path, descriptor: bytes, disk: Path) -> None:
    write(out, descriptor, disk)
    assert names(out.parent) == ["small.ova", "small.ova.sha256"]
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "small.ova.sha256"], cwd=out.parent, check=True)


def test_bytes_are_the_same_every_time(out: Path, descriptor: bytes, disk: Path) -> None:
    write(out, descriptor, disk)
    first = out.read_bytes()
    write(out, descriptor, disk)
    assert out.read_bytes() == first


def test_the_disk_comes_out_again(out: Path, descriptor: bytes, disk: Path) -> None:
    write(out, descriptor, disk)
    ova.disk_of(out, out.with_name("again.vmdk"))
    assert out.with_name("again.vmdk").read_bytes() == disk.read_bytes()


@pytest.mark.parametrize("content", [b"", b"no archive" * 200])
def test_no_disk_comes_out_of_something_else(out: Path, content: bytes) -> None:
    out.parent.mkdir()
    out.write_bytes(content)
    with pytest.raises(PracticumError):
        ova.disk_of(out, out.with_name("again.vmdk"))
    assert names(out.parent) == ["small.ova"]


def test_a_disk_without_end_does_not_come_out(out: Path, descriptor: bytes, disk: Path) -> None:
    write(out, descriptor, disk)
    out.write_bytes(out.read_bytes()[:-100_000])
    with pytest.raises(PracticumError, match=r"small\.ova"):
        ova.disk_of(out, out.with_name("again.vmdk"))
    assert not out.with_name("again.vmdk").exists()


def test_what_virtualbox_would_refuse_is_not_published(out: Path, descriptor: bytes, disk: Path) -> None:
    write(out, descriptor, disk)
    before = {file.name: file.read_bytes() for file in out.parent.iterdir()}
    with pytest.raises(PracticumError, match=r"machine\.forward-host"):
        write(out, descriptor.replace(b"127.0.0.1", b"0.0.0.0"), disk)
    assert {file.name: file.read_bytes() for file in out.parent.iterdir()} == before


def test_a_disk_too_large_for_ustar_is_refused(out: Path, descriptor: bytes, tmp_path: Path) -> None:
    large = tmp_path / "large.vmdk"
    with large.open("wb") as stream:
        stream.truncate(8 << 30)
    with pytest.raises(PracticumError, match="8 GiB"):
        write(out, descriptor, large)
    with pytest.raises(PracticumError, match="cannot be read"):
        write(out, descriptor, tmp_path / "missing.vmdk")
    assert names(out.parent) == []


@pytest.mark.parametrize("nameless", [True, False], ids=["nameless", "hidden name"])
def test_a_failure_leaves_the_old_file(
    out: Path, descriptor: bytes, disk: Path, monkeypatch: pytest.MonkeyPatch, nameless: bool
) -> None:
    if not nameless:
        monkeypatch.setattr(publish, "_open_nameless", lambda _: None)
    write(out, descriptor, disk)
    before = out.read_bytes()
    with pytest.raises(RuntimeError), publish.new_file(out) as new:
        new.stream.write(b"half")
        raise RuntimeError
    assert out.read_bytes() == before
    assert names(out.parent) == ["small.ova", "small.ova.sha256"]


@pytest.mark.parametrize("old", [True, False], ids=["over an old one", "first"])
def test_sigkill_leaves_nothing(out: Path, old: bool) -> None:
    out.parent.mkdir()
    if old:
        out.write_bytes(b"old")
    code = (
        "import os, signal, sys; from pathlib import Path; from practicum.engine.publish import new_file\n"
        "with new_file(Path(sys.argv[1])) as new:\n"
        "    new.stream.write(bytes(1 << 20)); new.stream.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, out]).returncode == -signal.SIGKILL
    assert names(out.parent) == (["small.ova"] if old else [])
    assert not old or out.read_bytes() == b"old"


def test_a_left_over_is_removed(out: Path) -> None:
    out.parent.mkdir()
    (out.parent / ".small.ova.new").write_bytes(b"whole, but its process was killed before the rename")
    publish.write_text(out, "new")
    assert names(out.parent) == ["small.ova"] and out.read_text() == "new"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PracticumError, match="cannot be written"):
        publish.write_text(tmp_path / "file" / "x.ova", "")


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with pytest.raises(PracticumError, match="no space"), publish.new_file(tmp_path / "x") as new:
        os.write(new.stream.fileno(), b"part")
        with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123
            full.write(b"more")
    assert names(tmp_path) == []
