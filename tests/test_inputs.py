"""practicum.commands.inputs: what goes into the file of a build's inputs, and what comes out of it."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from checkout import SEMESTER, Checkout
from survivors import HANG

from practicum.commands.inputs import read_inputs, write_inputs
from practicum.engine import cache, tools
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.images import deb_index, debs
from practicum.semester.locks import find_lock
from practicum.wheels.lockfile import hash_lock

CONTROL = (
    "Package: {name}\nVersion: 1.0\nArchitecture: all\nPriority: important\n"
    "Maintainer: a <a@example.org>\nDescription: {name}\n"
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache.root()


def make_deb(folder: Path, name: str) -> Path:
    """A real package, by the program that makes Debian's."""
    if not tools.find("dpkg-deb"):
        pytest.skip("dpkg-deb is not on this machine")
    tree = folder / f"{name}.tree/DEBIAN"
    tree.mkdir(parents=True)
    (tree / "control").write_text(CONTROL.format(name=name))
    made = folder / f"{name}_1.0_all.deb"
    subprocess.run(["dpkg-deb", "--build", tree.parent, made], check=True, capture_output=True)
    shutil.rmtree(tree.parent)
    return made


def make_build(checkout: Checkout) -> None:
    """What a build leaves in the cache: packages of three stages, and the wheel of a lock."""
    semester = checkout.load()
    for stage in ("base", "system", "appliance"):
        output = cache.root() / "stages" / stage / f"key-of-{stage}"
        (output / "debs/partial").mkdir(parents=True)
        (output / "debs/lock").touch()
        make_deb(output / "debs", f"of-{stage}")
        debs.keep_debs(output / "debs")
        (output / "manifest.json").write_text("{}")
        (output / "sources.list").write_text("deb the mirror\n")
        (output / "priorities.txt").write_text("of-base=required\n")
        pointer = cache.root() / "scopes" / semester.product_name / f"{stage}.json"
        pointer.parent.mkdir(parents=True, exist_ok=True)
        pointer.write_text(json.dumps({"used": [{"key": output.name, "inputs": {}}]}))
    wheel = cache.root() / "wheels" / ("ab" * 32) / "a-1-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    wheel.write_bytes(b"wheel")
    digest = cache.hash_file(wheel)
    wheel.parent.rename(wheel.parent.with_name(digest))
    index = cache.root() / "wheelhouses" / f"{hash_lock(find_lock(semester, 'cpu'))}.json"
    index.parent.mkdir()
    index.write_text(json.dumps([{"sha256": digest, "filename": wheel.name}]))


def write(checkout: Checkout, target: Path) -> Path:
    write_inputs(checkout.load(), target, Console(plain=True), ("cpu",))
    return target


def test_inputs_come_back_into_an_empty_cache(checkout: Checkout, tmp_path: Path) -> None:
    make_build(checkout)
    file = write(checkout, tmp_path / "inputs.tar")
    shutil.rmtree(cache.root())
    source = read_inputs(file, checkout.load(), Console(plain=True))
    assert [path.name for path in cache.root().glob("wheels/*/*")] == ["a-1-py3-none-any.whl"]
    assert len(list(cache.root().glob("wheelhouses/*.json"))) == 1
    for stage in ("base", "system", "appliance"):
        folder = source.of(stage)
        assert folder
        index = (folder / "Packages").read_text()
        assert f"Package: of-{stage}\n" in index and f"Filename: ./of-{stage}_1.0_all.deb\n" in index
        assert f"Priority: {'required' if stage == 'base' else 'important'}\n" in index
        assert "Codename: bookworm\n" in (folder / "Release").read_text()
        assert (folder / debs.RELEASED).read_text() == "deb the mirror\n"


def test_apt_finds_the_packages_of_the_file_and_no_others(checkout: Checkout, tmp_path: Path) -> None:
    if not tools.find("apt-get"):
        pytest.skip("apt-get is not on this machine")
    make_build(checkout)
    folder = read_inputs(write(checkout, tmp_path / "inputs.tar"), checkout.load(), Console(plain=True)).of("system")
    assert folder
    deb_index.write_apt_config(folder, folder)  # as the container sees it, but here
    state = tmp_path / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    options = {
        "Dir::State::Lists": state / "lists",
        "Dir::Cache": state / "cache",
        "Dir::State::status": state / "status",
    }
    apt = [
        "apt-get",
        *(f"--option={key}={value}" for key, value in options.items()),
        "--option=APT::Sandbox::User=root",
    ]
    env = {**os.environ, "APT_CONFIG": str(folder / debs.APT_CONFIG)}
    subprocess.run([*apt, "update"], env=env, check=True, capture_output=True)
    planned = subprocess.run([*apt, "install", "--simulate", "of-system"], env=env, capture_output=True, text=True)
    assert "Inst of-system" in planned.stdout, planned
    other = subprocess.run([*apt, "install", "--simulate", "of-base"], env=env, capture_output=True, text=True)
    assert other.returncode and "Unable to locate package of-base" in other.stderr


def test_same_build_gives_the_same_file(checkout: Checkout, tmp_path: Path) -> None:
    make_build(checkout)
    assert write(checkout, tmp_path / "1.tar").read_bytes() == write(checkout, tmp_path / "2.tar").read_bytes()


def test_spoilt_member_is_named_and_nothing_comes_into_the_cache(checkout: Checkout, tmp_path: Path) -> None:
    make_build(checkout)
    file = write(checkout, tmp_path / "inputs.tar")
    file.write_bytes(file.read_bytes().replace(b"deb the mirror", b"deb another m."))
    shutil.rmtree(cache.root())
    with pytest.raises(PracticumError, match=r"inputs\.tar: sources\.list is not what its index says"):
        read_inputs(file, checkout.load(), Console(plain=True))
    assert not list(cache.root().glob("inputs/*")) and not list(cache.root().glob("wheels/*"))


def test_member_that_leaves_the_folder_is_refused(checkout: Checkout, tmp_path: Path) -> None:
    file = tmp_path / "inputs.tar"
    with tarfile.open(file, "w") as archive:
        for name, data in (
            ("inputs.json", json.dumps({"semester": SEMESTER, "files": {}}).encode()),
            ("../evil", b"x"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    with pytest.raises(PracticumError, match=r"\.\./evil is not in its index"):
        read_inputs(file, checkout.load(), Console(plain=True))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file; make it with: practicum inputs"),
        (b"text", "this is no file of inputs"),
        (b"", "this is no file"),
    ],
)
def test_what_is_no_file_of_inputs_is_refused_in_one_line(
    content: bytes | None, said: str, checkout: Checkout, tmp_path: Path
) -> None:
    file = tmp_path / "inputs.tar"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PracticumError, match=said):
        read_inputs(file, checkout.load(), Console(plain=True))


def test_build_that_was_not_made_here_has_no_inputs(checkout: Checkout, tmp_path: Path) -> None:
    with pytest.raises(PracticumError, match=rf"{SEMESTER}: stage base has not been built here; run: make ova"):
        write(checkout, tmp_path / "inputs.tar")


@pytest.mark.skipif(os.geteuid() != 0, reason="a namespace of its own needs root")
def test_process_that_has_left_the_network_reaches_its_own_loopback_only() -> None:
    program = (
        "import socket; from practicum.engine.namespaces import leave_network; leave_network();"
        "socket.create_server(('127.0.0.1', 0)); print([name for _, name in socket.if_nameindex()])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=HANG)
    assert done.stdout == "['lo']\n"
