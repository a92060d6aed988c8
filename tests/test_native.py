"""practicum.images.native, with the real docker and images of a few files: nothing of the other processor runs."""

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from practicum.architecture import ARCHITECTURES, Architecture, find_native
from practicum.engine import run
from practicum.engine.errors import PracticumError
from practicum.images import docker, native
from practicum.images.native import Task
from practicum.images.root import Root, write_docker_archive

MARK = f"practicum-test-native-{os.getpid()}"


@pytest.fixture
def images() -> Iterator[None]:
    try:
        docker.ensure_docker()
    except PracticumError as error:
        pytest.skip(str(error))
    yield
    for tag in run.read(["docker", "image", "ls", "--format={{.Repository}}:{{.Tag}}", MARK], step="test").split():
        run.read(["docker", "image", "rm", "--force", tag], step="test")


def load_image(tag: str, architecture: Architecture, folder: Path, files: dict[str, str]) -> str:
    """Gives docker an image of one layer for the architecture."""
    folder.mkdir()
    with tarfile.open(folder / "layer.tar", "w") as layer:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.mode, member.mtime = len(text), 1000, 0o640, 1_767_225_600
            layer.addfile(member, io.BytesIO(text.encode()))
    plan = Root("bookworm", folder, 0, architecture.name, architecture.variant)
    write_docker_archive(folder / "layer.tar", folder / "image.tar", f"{MARK}:{tag}", plan)
    run.read(["docker", "load", f"--input={folder}/image.tar"], step="test")
    return f"{MARK}:{tag}"


@pytest.mark.skipif(os.geteuid() != 0, reason="the build's containment needs root")
@pytest.mark.usefixtures("images")
def test_layer_made_for_another_processor_keeps_owner_mode_and_time(tmp_path: Path) -> None:
    own = find_native()
    assert own
    other = next(architecture for architecture in ARCHITECTURES if architecture != own)
    base = load_image("base", other, tmp_path / "base", {"etc/os": "debian"})
    carrier = load_image("carrier", own, tmp_path / "carrier", {"opt/venv/new": "wheel"})
    native.graft(carrier, base, f"{MARK}:made", tmp_path)
    (made,) = json.loads(run.read(["docker", "image", "inspect", f"{MARK}:made"], step="test"))
    assert (made["Architecture"], len(made["RootFS"]["Layers"])) == (other.name, 2)
    run.read(["docker", "save", f"--output={tmp_path}/made.tar", f"{MARK}:made"], step="test")
    native.take_top_layer(tmp_path / "made.tar", tmp_path / "top.tar")
    with tarfile.open(tmp_path / "top.tar") as layer:
        files = [(member.name, member.uid, member.mode & 0o7777, member.mtime) for member in layer if member.isfile()]
    assert files == [("opt/venv/new", 1000, 0o640, 1_767_225_600)]
    assert not (tmp_path / "graft").exists()


def test_uppermost_layer_is_the_last_of_the_manifest(tmp_path: Path) -> None:
    saved = tmp_path / "saved.tar"
    manifest = json.dumps([{"Config": "c", "RepoTags": [], "Layers": ["a/layer.tar", "b/layer.tar"]}]).encode()
    with tarfile.open(saved, "w") as image:
        for name, data in (("b/layer.tar", b"upper"), ("a/layer.tar", b"lower"), ("manifest.json", manifest)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            image.addfile(member, io.BytesIO(data))
    native.take_top_layer(saved, tmp_path / "layer.tar")
    assert (tmp_path / "layer.tar").read_bytes() == b"upper"


def test_task_is_given_its_environment() -> None:
    task = Task(["uv", "pip", "install"], Path("/given"), "/opt/course/lib", {"A": "b"})
    assert native.exec_argv("c1", task) == ["docker", "exec", "--env=A=b", "c1", "uv", "pip", "install"]
