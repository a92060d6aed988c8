"""Repacking torchvision beside a CPU torch: told by ELF headers, reproducible, and proven with the real wheels."""

import base64
import csv
import hashlib
import json
import os
import struct
import subprocess
import tempfile
import zipfile
from pathlib import Path

import pytest
import uv
from loopback import make_wheel
from packaging.version import Version

from practicum.engine import cache, stages
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.images import docker
from practicum.semester import products
from practicum.semester.description import Semester
from practicum.semester.find import find_semester
from practicum.semester.locks import find_lock, find_target
from practicum.wheels import torchvision, wheelhouse
from practicum.wheels.cuda import is_cpu_build
from practicum.wheels.resolver import Wheel
from practicum.wheels.store import find_file
from practicum.wheels.torchvision import needs_repacking, repack_for_cpu

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "tests/data/use_torchvision.py"
NAME = "torchvision-0.28.0-cp311-cp311-manylinux_2_28_x86_64.whl"
# What torchvision needs of the house: a few seconds instead of a minute for all of it.
CLOSURE = {
    *("torch", "torchvision", "numpy", "pillow", "filelock", "typing-extensions", "sympy", "mpmath", "networkx"),
    *("jinja2", "markupsafe", "fsspec", "setuptools"),
}
REGISTRATIONS = b"""import torch
import torchvision.extension


@torch.library.register_fake("torchvision::nms")
def meta_nms(dets):
    return dets


    @torch.library.register_fake("inside a text")
"""


def make_library(*needed: str) -> bytes:
    """The smallest 64-bit ELF shared library whose dynamic segment needs those libraries."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in needed)
    offsets, place = [], 1
    for name in needed:
        offsets.append(place)
        place += len(name) + 1
    start = 64 + 2 * 56  # after the header and two program headers
    tags = [(1, offset) for offset in offsets] + [(5, start), (10, len(strings)), (0, 0)]
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    at = start + len(strings)
    total = at + len(dynamic)
    header = struct.pack(
        *("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01" + bytes(9), 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    )
    load_all = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, total, total, 4096)
    load_dynamic = struct.pack("<IIQQQQQQ", 2, 6, at, at, at, len(dynamic), len(dynamic), 8)
    return header + load_all + load_dynamic + strings + dynamic


def make_torchvision(folder: Path, *, cuda: bool = True) -> Path:
    extra = ("libtorch_cuda.so", "libcudart.so.13") if cuda else ()
    files = {
        "torchvision/__init__.py": b"",
        "torchvision/version.py": b"__version__ = '0.28.0+cu130'\ngit_version = 'abc'\n",
        "torchvision/_meta_registrations.py": REGISTRATIONS,
        "torchvision/_C.so": make_library("libtorch.so", "libc10.so", *extra),
        "torchvision/image.so": make_library("libpng16.1c0b.so.16", "libc10.so"),
        "torchvision/gpu_video.so": make_library("libnvjpeg.36e1.so.13", "libonly.so.1"),
        "torchvision.libs/libpng16.1c0b.so.16": make_library("libz.b9a7.so.1", "libc.so.6"),
        "torchvision.libs/libz.b9a7.so.1": make_library("libc.so.6"),
        "torchvision.libs/libnvjpeg.36e1.so.13": make_library("libcudart.faf0.so.13"),
        "torchvision.libs/libcudart.faf0.so.13": make_library("libc.so.6"),
        "torchvision.libs/libonly.so.1": make_library("libc.so.6"),
    }
    if not cuda:
        files = {path: data for path, data in files.items() if "gpu" not in path and "nvjpeg" not in path}
    return make_wheel(folder, "torchvision", "0.28.0", tag=NAME.removesuffix(".whl").split("-", 2)[2], files=files)


def read_all(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {path: archive.read(path) for path in archive.namelist()}


def test_cuda_is_told_by_the_elf_headers(tmp_path: Path) -> None:
    assert needs_repacking(make_torchvision(tmp_path / "a"))
    assert not needs_repacking(make_torchvision(tmp_path / "b", cuda=False))
    assert not needs_repacking(make_wheel(tmp_path / "c", "torchvision", "0.28.0"))


def test_only_what_needs_cuda_goes(tmp_path: Path) -> None:
    before = make_torchvision(tmp_path)
    after = repack_for_cpu(before, tmp_path / "out")
    assert after.name == "torchvision-0.28.0+noops-cp311-cp311-manylinux_2_28_x86_64.whl"
    gone = {path for path in read_all(before) if "dist-info" not in path} - set(read_all(after))
    assert gone == {
        *("torchvision/_C.so", "torchvision/gpu_video.so", "torchvision.libs/libnvjpeg.36e1.so.13"),
        *("torchvision.libs/libcudart.faf0.so.13", "torchvision.libs/libonly.so.1"),
    }
    assert not needs_repacking(after)


def test_version_is_told_everywhere(tmp_path: Path) -> None:
    contents = read_all(repack_for_cpu(make_torchvision(tmp_path), tmp_path / "out"))
    assert b"\nVersion: 0.28.0+noops\n" in contents["torchvision-0.28.0+noops.dist-info/METADATA"]
    assert contents["torchvision/version.py"] == b"__version__ = '0.28.0+noops'\ngit_version = 'abc'\n"
    assert not [path for path in contents if path.startswith("torchvision-0.28.0.dist-info")]


def test_record_is_true(tmp_path: Path) -> None:
    contents = read_all(repack_for_cpu(make_torchvision(tmp_path), tmp_path / "out"))
    record = "torchvision-0.28.0+noops.dist-info/RECORD"
    rows = list(csv.reader(contents[record].decode().splitlines()))
    assert {row[0] for row in rows} == set(contents) and rows[-1] == [record, "", ""]
    for path, digest, size in rows[:-1]:
        expected = base64.urlsafe_b64encode(hashlib.sha256(contents[path]).digest()).decode().rstrip("=")
        assert (digest, int(size)) == (f"sha256={expected}", len(contents[path]))


def test_fakes_are_guarded(tmp_path: Path) -> None:
    path = "torchvision/_meta_registrations.py"
    text = read_all(repack_for_cpu(make_torchvision(tmp_path), tmp_path / "out"))[path].decode()
    assert '\n@_register_fake("torchvision::nms")\ndef meta_nms' in text
    assert '    @torch.library.register_fake("inside a text")' in text, "only decorators of the module are changed"
    asked = []

    class Extension:
        has_ops = False

        @classmethod
        def _has_ops(cls) -> bool:
            return cls.has_ops

    names = {
        "torch": type("torch", (), {"library": type("library", (), {"register_fake": asked.append})}),
        "torchvision": type("torchvision", (), {"extension": Extension}),
    }
    guard = text[text.index("def _register_fake") : text.index('@_register_fake("')]
    exec(guard, names)
    assert names["_register_fake"]("torchvision::nms")(len) is len and asked == []
    Extension.has_ops = True
    names["_register_fake"]("torchvision::nms")
    assert asked == ["torchvision::nms"]


def test_result_depends_on_the_wheel_only(tmp_path: Path) -> None:
    wheel = make_torchvision(tmp_path)
    first, second = (repack_for_cpu(wheel, tmp_path / name) for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()
    made = first.stat().st_mtime_ns
    assert repack_for_cpu(wheel, tmp_path / "one") == first
    assert first.stat().st_mtime_ns == made, "made once"


CUDA_FILES = {"torch/__init__.py": b"", "torch/lib/libtorch_cuda.so": b"code"}


@pytest.mark.parametrize(
    ("version", "files", "requires", "cpu"),
    [
        ("2.13.0+cpu", None, (), True),
        ("2.10.0", {"torch/lib/libtorch_cpu.so": b"code"}, ("filelock", "sympy>=1.13"), True),
        ("2.13.0", CUDA_FILES, (), False),
        ("2.13.0", None, ('nvidia-cublas==13.1; platform_system == "Linux"',), False),
        ("2.13.0", None, ("cuda-bindings<14,>=13.0.3",), False),
    ],
)
def test_wheelhouse_repacks_only_beside_a_cpu_torch(
    tmp_path: Path, version: str, files: dict[str, bytes] | None, requires: tuple[str, ...], cpu: bool
) -> None:
    """What torch's wheel holds and needs counts, not its version: on ARM no name tells the builds apart."""
    wheels = []
    torch = make_wheel(tmp_path, "torch", version, files=files, requires=requires)
    for path in (torch, make_torchvision(tmp_path)):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        name, numbers = path.name.split("-")[:2]
        wheels.append(Wheel(name, numbers, path.name, digest, "", None))
        stored = find_file(tmp_path / "store", digest, path.name)
        stored.parent.mkdir(parents=True)
        path.rename(stored)
    taken, notes = wheelhouse._choose_files(wheels, tmp_path / "store", tmp_path / "repacked")
    chosen = {package.name: (package, path) for package, path in taken.items()}
    package, path = chosen["torchvision"]
    assert package.hashes == (hashlib.sha256(path.read_bytes()).hexdigest(),)
    assert package.version == path.name.split("-")[1]
    if cpu:
        assert package.version == "0.28.0+noops" and "repacked as 0.28.0+noops" in notes[0]
    else:
        assert package.version == "0.28.0" and notes == ()


def test_torch_that_is_no_wheel_is_named(tmp_path: Path) -> None:
    (tmp_path / "torch-2.13.0-py3-none-any.whl").write_bytes(b"text")
    with pytest.raises(PracticumError, match=r"torch-2\.13\.0-py3-none-any\.whl: is not a readable wheel"):
        is_cpu_build(tmp_path / "torch-2.13.0-py3-none-any.whl")


@pytest.mark.parametrize("data", [b"", b"not a zip"])
def test_wheel_that_is_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / NAME).write_bytes(data)
    with pytest.raises(PracticumError, match="is not a readable wheel"):
        needs_repacking(tmp_path / NAME)


def test_library_that_is_none(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "torchvision", "0.28.0", files={"torchvision/_C.so": b"text"})
    with pytest.raises(PracticumError, match=r"torchvision/_C.so is not an ELF library"):
        needs_repacking(wheel)


def list_layer_argv(semester: Semester) -> list[str]:
    """Returns the command that runs SCRIPT in the torch layer of the last build, [] when there is none here."""
    try:
        docker.ensure_docker()
        layer = products.list_environment(semester, "cpu")[-1]
        if stages.find_fault(layer):
            return []
    except PracticumError:
        return []
    cgroup = [f"--cgroup-parent={name}"] if (name := os.environ.get("PROOF_CGROUP")) else []
    return [
        *("docker", "run", "--rm", "--network=none", *cgroup, f"--volume={SCRIPT}:/script.py:ro", "--workdir=/tmp"),
        *("--env=HOME=/tmp", layer.image, "/opt/venv/bin/python", "-W", "error", "/script.py"),
    ]


def install(semester: Semester, folder: Path) -> Path:
    """Makes an environment with torchvision and its needs from the real CPU wheelhouse; returns its Python."""
    try:
        house = wheelhouse.prepare(find_lock(semester, "cpu"), cache.root(), Console())
    except PracticumError as error:
        pytest.skip(f"no wheelhouse here: {error}")
    version = find_target(semester).python
    argv = [uv.find_uv_bin(), "venv", "--python", version, "--no-python-downloads", str(folder / "venv")]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no Python {version} on this machine: {done.stderr.strip()}")
    python = folder / "venv/bin/python"
    wanted = [line for line in house.requirements.read_text().splitlines() if line.partition("==")[0] in CLOSURE]
    (folder / "wanted.txt").write_text("\n".join(wanted))
    argv = [
        *(uv.find_uv_bin(), "pip", "install", "--python", str(python), "--cache-dir", f"{folder}/uv", "--no-index"),
        *("--find-links", str(house.folder), "--require-hashes", "-r", f"{folder}/wanted.txt"),
    ]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return python


@pytest.mark.slow
def test_real_torchvision_works_on_a_cpu(tmp_path: Path) -> None:
    """In the layer that the products have, or where none was built, in an environment made of the same wheels."""
    semester = find_semester("")
    with tempfile.TemporaryDirectory(prefix="practicum-wheels-") as folder:
        argv = list_layer_argv(semester) or [install(semester, Path(folder)), "-W", "error", SCRIPT]
        clean = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ}
        environment = {**clean, "HOME": str(tmp_path)}
        done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["torch"] == "2.13.0+cpu"
    assert Version(told["torchvision"]).public == "0.28.0" and told["torchvision"] == told["installed"]
    if Version(told["torchvision"]).local == torchvision.LOCAL_VERSION:
        assert told["nms"].startswith("RuntimeError: Couldn't load custom C++ ops.")
        assert told["read_image"].startswith("RuntimeError: Couldn't load the image extension.")
    else:
        assert told["nms"] == "[0]" and told["read_image"] == "[3, 8, 8]"
