"""Locks: resolved against an index on loopback, read back, compared, and the real ones checked for age and holes."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from loopback import Index, make_wheel, serve
from packaging.version import Version

from practicum.architecture import AMD64, ARM64, Architecture
from practicum.commands import lock
from practicum.commands.lock import resolve_python
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.images.root import Root
from practicum.semester.description import Semester, load
from practicum.semester.locks import Variant, find_lock, place_lock
from practicum.semester.products import VARIANTS
from practicum.wheels import lockfile, resolver
from practicum.wheels.debian_lock import Packages, drift, read_base, read_debian, render_debian
from practicum.wheels.lockfile import LockedPackage, locate, read_lock, read_target
from practicum.wheels.resolver import Target

ROOT = Path(__file__).parents[1]
SEMESTERS = sorted(path.parent for path in (ROOT / "semesters").glob("*/semester.toml"))
LOCKS = [path for folder in SEMESTERS for path in sorted(folder.glob("python-*.lock"))]
BOOKWORM, BOOKWORM_ARM = Target("3.11", 36, AMD64.machine), Target("3.11", 36, ARM64.machine)
CUDA = "nvidia-nccl"
"""What torch's builds for CUDA need, on the index of these tests."""
TOML = """
[course]
code = "EE-559"
title = "Deep Learning"
institution = "EPFL"
semester = "2027-spring"
[debian]
suite = "bookworm"
[python]
requires = ["Torch==2.13.0", "torchvision==0.28.0", "speedy>=1"]
[content]
include = ["index.md"]
"""


@pytest.fixture
def semester(tmp_path: Path) -> Semester:
    folder = tmp_path / "semesters/2027-spring"
    folder.mkdir(parents=True)
    (tmp_path / "course_content").mkdir()
    (tmp_path / "course_content/index.md").touch()
    (folder / "semester.toml").write_text(TOML)
    return load(folder)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index with torch and torchvision for CUDA, and `speedy` built for several platforms; no CPU builds."""
    folder = tmp_path / "index"
    make_wheel(folder, "torch", "2.13.0", requires=[CUDA])
    make_wheel(folder, CUDA.replace("-", "_"), "2.0")
    make_wheel(folder, "torchvision", "0.28.0")
    for version, tag in [
        *(("1.1", "py3-none-any"), ("1.1", "cp311-cp311-manylinux_2_28_x86_64")),
        *(("1.1", "cp311-cp311-manylinux2014_x86_64"), ("1.1", "cp311-cp311-manylinux_2_40_x86_64")),
        *(("1.1", "cp312-cp312-manylinux_2_28_x86_64"), ("1.1", "cp311-cp311-win_amd64"), ("0.9", "py3-none-any")),
        *(("1.1", "cp311-cp311-manylinux_2_28_aarch64"), ("1.1", "cp311-cp311-manylinux2014_aarch64")),
    ]:
        make_wheel(folder, "speedy", version, tag=tag)
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    for module in (lock, lockfile):
        monkeypatch.setattr(module, "list_cpu_sources", lambda: [])
    with serve(folder) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index.url}/simple/")
        yield index


def offer_cpu_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> Path:
    """A folder with +cpu builds of `names`, after one that has none, as the places to look in."""
    folder = tmp_path / "cpu builds"
    folder.mkdir()
    for name in names:
        make_wheel(folder, name, {"torch": "2.13.0+cpu", "torchvision": "0.28.0+cpu"}[name])
    (tmp_path / "empty").mkdir()
    sources = [("--find-links", str(tmp_path / "empty")), ("--find-links", str(folder))]
    for module in (lock, lockfile):
        monkeypatch.setattr(module, "list_cpu_sources", lambda: sources)
    return folder


def write_lock(semester: Semester, variant: Variant, architecture: Architecture = AMD64) -> Path:
    path = place_lock(semester, variant, architecture)
    path.write_text(resolve_python(semester, variant, architecture))
    return path


def versions(path: Path) -> dict[str, str]:
    return {package.name: package.version for package in read_lock(path)}


def test_cuda_lock_takes_the_plain_builds(semester: Semester, index: Index) -> None:
    path = write_lock(semester, variant="cuda")
    assert path == semester.folder / "python-cuda.lock"
    assert versions(path) == {"speedy": "1.1", "torch": "2.13.0", "torchvision": "0.28.0", CUDA: "2.0"}
    assert find_lock(semester, "cuda") == path


def test_lock_names_the_best_wheel_of_the_target_and_no_address(semester: Semester, index: Index) -> None:
    path = write_lock(semester, variant="cuda")
    (wheel,) = [wheel for wheel in locate(path) if wheel.name == "speedy"]
    assert wheel.filename == "speedy-1.1-cp311-cp311-manylinux_2_28_x86_64.whl"
    assert wheel.url == f"{index.url}/files/{wheel.filename}"
    assert {package.name: package.hashes for package in read_lock(path)}["speedy"] == (wheel.sha256,)
    text = path.read_text()
    assert text.startswith("# Made by: practicum lock 2027-spring\n# target: python 3.11, x86_64-manylinux_2_36\n")
    assert "//" not in text and "127.0.0.1" not in text
    assert write_lock(semester, variant="cuda").read_text() == text


def test_what_is_left_out_is_in_no_lock_though_a_package_needs_it(semester: Semester, index: Index) -> None:
    make_wheel(index.folder, "torch", "2.13.0", requires=["rfc3987-syntax", "wanted", CUDA])
    make_wheel(index.folder, "rfc3987_syntax", "1.0")
    make_wheel(index.folder, "wanted", "1.0")
    assert versions(write_lock(semester, variant="cuda")).keys() == {"speedy", "torch", "torchvision", "wanted", CUDA}


def test_the_locks_of_this_checkout_hold_nothing_that_is_left_out() -> None:
    names = (SEMESTERS[0].parents[1] / lock.LEFT_OUT).read_text().splitlines()
    left_out = {name for name in names if name and not name.startswith("#")}
    assert left_out == {"rfc3987-syntax"}, "JupyterLab's start takes twice as long with it"
    for path in LOCKS:
        assert not left_out & versions(path).keys()


@pytest.mark.parametrize("builds", [("torch", "torchvision"), ("torch",)])
def test_cpu_lock(
    semester: Semester, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, builds: tuple[str, ...]
) -> None:
    offer_cpu_builds(tmp_path, monkeypatch, *builds)
    path = write_lock(semester, variant="cpu")
    vision = "0.28.0+cpu" if "torchvision" in builds else "0.28.0"
    assert versions(path) == {"speedy": "1.1", "torch": "2.13.0+cpu", "torchvision": vision}
    assert {wheel.name: wheel.url.partition(":")[0] for wheel in locate(path)} == {
        "speedy": "http",
        "torch": "file",
        "torchvision": "file" if "torchvision" in builds else "http",
    }
    assert find_lock(semester, "cpu") == path


def test_no_cpu_build_anywhere(
    semester: Semester, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (semester.folder / "python-cpu.lock").write_text("the old one")
    offer_cpu_builds(tmp_path, monkeypatch)
    with pytest.raises(PracticumError) as caught:
        write_lock(semester, variant="cpu")
    assert re.fullmatch(
        r"semesters/2027-spring/semester.toml: python.requires: no CPU build of torch for Python 3.11 \(.*\); "
        r"connect to the network, or put the wheel into a folder and name it in PIP_FIND_LINKS",
        str(caught.value),
    )
    assert (semester.folder / "python-cpu.lock").read_text() == "the old one"


def test_cpu_build_that_is_gone(
    semester: Semester, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = offer_cpu_builds(tmp_path, monkeypatch, "torch")
    path = write_lock(semester, variant="cpu")
    next(folder.iterdir()).unlink()
    with pytest.raises(PracticumError, match=r"^semesters/2027-spring/python-cpu.lock: .*torch.*; .+") as caught:
        locate(path)
    assert "\n" not in str(caught.value)


def test_cpu_build_does_not_reach_the_cuda_lock(
    semester: Semester, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = offer_cpu_builds(tmp_path, monkeypatch, "torch", "torchvision")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_TORCH_BACKEND", "cpu")
    assert versions(write_lock(semester, variant="cuda"))["torch"] == "2.13.0"
    make_wheel(index.folder, "torch", "2.13.0+cpu")  # an index that should not hold it
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another uv-cache"))
    with pytest.raises(PracticumError, match="the CUDA lock met a CPU build; remove"):
        write_lock(semester, variant="cuda")


def test_packages_that_do_not_fit(semester: Semester, index: Index) -> None:
    (semester.folder / "semester.toml").write_text(TOML.replace("speedy>=1", "speedy>=2"))
    with pytest.raises(
        PracticumError, match=r"semester.toml: python.requires: .*speedy.*; change the versions"
    ) as caught:
        write_lock(load(semester.folder), variant="cuda")
    assert "\n" not in str(caught.value)


def test_network_down(semester: Semester, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(PracticumError, match=r"; check the network and run again$") as caught:
        write_lock(semester, variant="cuda")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_every_suite_has_a_target_uv_knows(semester: Semester, index: Index, suite: str) -> None:
    (semester.folder / "semester.toml").write_text(TOML.replace("bookworm", suite))
    assert versions(write_lock(load(semester.folder), variant="cuda"))["torch"] == "2.13.0"


def test_wheel_replaced_at_its_index(semester: Semester, index: Index, tmp_path: Path, monkeypatch) -> None:
    path = write_lock(semester, variant="cuda")
    make_wheel(index.folder, "torch", "2.13.0", files={"torch/__init__.py": b"import evil"}, requires=[CUDA])
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another uv-cache"))
    with pytest.raises(PracticumError, match=r"^semesters/2027-spring/python-cuda.lock: .*torch.*; .+"):
        locate(path)


def test_find_lock_wants_one_that_fits(semester: Semester, index: Index) -> None:
    cure = "; run: practicum lock 2027-spring$"
    with pytest.raises(PracticumError, match=f"^semesters/2027-spring/python-cuda.lock: not there yet{cure}"):
        find_lock(semester, "cuda")
    write_lock(semester, variant="cuda")
    for old, new, reason in [
        ("speedy>=1", "speedy>=2", r"semester.toml asks for speedy>=2, the lock holds 1\.1"),
        ("speedy>=1", "extra", "semester.toml asks for extra, the lock holds none"),
        ("bookworm", "trixie", "made for another Debian suite or architecture"),
    ]:
        (semester.folder / "semester.toml").write_text(TOML.replace(old, new))
        with pytest.raises(PracticumError, match=reason + cure):
            find_lock(load(semester.folder), "cuda")


@pytest.mark.parametrize(
    "bad", ["numpy", "numpy>=2 --hash=sha256:" + "0" * 64, "numpy==2", "numpy==2 --hash=sha256:12"]
)
def test_lock_without_version_or_hash(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "semesters/x/python-cpu.lock"
    path.parent.mkdir(parents=True)
    path.write_text(f"# a comment\n\nscipy==1 --hash=sha256:{'a' * 64}\n{bad}\n")
    with pytest.raises(PracticumError, match=r"^semesters/x/python-cpu.lock: line 4: not .*; run: practicum lock x$"):
        read_lock(path)
    with pytest.raises(PracticumError, match="has no target line"):
        read_target(path)


def test_lock_in_the_form_pip_tools_write(tmp_path: Path) -> None:
    path = tmp_path / "python-cpu.lock"
    a, b, c = (f"--hash=sha256:{letter * 64}" for letter in "abc")
    path.write_text(f"Foo_Bar==1.0 \\\n    {a} \\\n    {b}\nx==1 {c}\n")
    assert read_lock(path) == [
        LockedPackage("foo-bar", "1.0", ("a" * 64, "b" * 64)),
        LockedPackage("x", "1", ("c" * 64,)),
    ]


ARM_TOML = f"""
architectures = ["amd64", "arm64"]
{TOML}
[python.arm64]
requires = ["torch==2.10.0", "TorchVision==0.25.0"]
"""


@pytest.fixture
def both(semester: Semester, index: Index) -> Semester:
    """A semester for both architectures, on an index whose torch 2.10.0 is a CPU build though no name says so."""
    make_wheel(index.folder, "torch", "2.10.0")
    make_wheel(index.folder, "torchvision", "0.25.0")
    (semester.folder / "semester.toml").write_text(ARM_TOML)
    return load(semester.folder)


def test_locks_of_another_architecture_have_its_wheels_and_its_name(both: Semester) -> None:
    path = write_lock(both, variant="cuda", architecture=ARM64)
    assert path == both.folder / "python-cuda-arm64.lock" and find_lock(both, "cuda", ARM64) == path
    assert "\n# target: python 3.11, aarch64-manylinux_2_36\n" in path.read_text()
    assert versions(path)["torch"] == "2.13.0", "versions of an architecture are for its CPU products alone"
    (wheel,) = [wheel for wheel in locate(path) if wheel.name == "speedy"]
    assert wheel.filename == "speedy-1.1-cp311-cp311-manylinux_2_28_aarch64.whl"


def test_cpu_build_is_known_by_what_it_needs_where_no_name_says_so(both: Semester) -> None:
    path = write_lock(both, variant="cpu", architecture=ARM64)
    assert path == both.folder / "python-cpu-arm64.lock" and find_lock(both, "cpu", ARM64) == path
    assert versions(path) == {"speedy": "1.1", "torch": "2.10.0", "torchvision": "0.25.0"}
    with pytest.raises(PracticumError, match=r"no CPU build of torch for Python 3\.11"):
        write_lock(both, variant="cpu")  # the general one of amd64 needs CUDA


def test_build_that_is_named_after_the_cpu_comes_first(
    both: Semester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = offer_cpu_builds(tmp_path, monkeypatch)
    make_wheel(folder, "torch", "2.10.0+cpu")
    assert versions(write_lock(both, variant="cpu", architecture=ARM64))["torch"] == "2.10.0+cpu"


def test_cuda_lock_refuses_a_cpu_build_without_a_name(both: Semester) -> None:
    (both.folder / "semester.toml").write_text(ARM_TOML.replace("Torch==2.13.0", "torch==2.10.0"))
    with pytest.raises(PracticumError, match="the CUDA lock met a CPU build"):
        write_lock(load(both.folder), variant="cuda", architecture=ARM64)


def test_lock_of_one_architecture_does_not_fit_the_other(both: Semester) -> None:
    path = write_lock(both, variant="cuda")
    path.rename(both.folder / "python-cuda-arm64.lock")
    with pytest.raises(PracticumError, match="made for another Debian suite or architecture; run: practicum lock"):
        find_lock(both, "cuda", ARM64)


def test_every_lock_that_the_description_names_is_written(
    both: Semester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = offer_cpu_builds(tmp_path, monkeypatch, "torch", "torchvision")
    assert folder.is_dir()
    asked: list[tuple[str, str, tuple[str, ...]]] = []

    def resolve_packages(root: Root, packages: list[str], *_: object) -> Packages:
        asked.append((root.architecture, root.variant, tuple(packages)))
        return Packages({"bash": "5.2"}, {"bash": "5.2"})

    monkeypatch.setattr(lock, "resolve_packages", resolve_packages)
    monkeypatch.setattr(lock, "require_emulators", lambda _: None)
    monkeypatch.setattr(lock, "ensure_docker", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    text = ARM_TOML.replace('suite = "bookworm"', 'suite = "bookworm"\nappliance_packages = ["linux-image"]')
    (both.folder / "semester.toml").write_text(text)
    written = [path.name for path in lock.lock_semester(load(both.folder), Console(plain=True))]
    assert written == [
        *("python-cpu.lock", "python-cuda.lock", "debian.lock"),
        *("python-cpu-arm64.lock", "python-cuda-arm64.lock", "debian-arm64.lock"),
    ]
    assert asked == [("amd64", "", ("linux-image-amd64",)), ("arm64", "v8", ("linux-image-arm64",))]
    assert read_debian(both.folder / "debian-arm64.lock") == {"bash": "5.2"}


def test_all_locks_are_written_or_none(both: Semester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer_cpu_builds(tmp_path, monkeypatch, "torch", "torchvision")
    before = {path: path.read_bytes() for path in both.folder.iterdir()}

    def fail(*_: object) -> dict[str, str]:
        raise PracticumError("lock", "E: Unable to locate package no-such-package", "")

    for name in ("require_emulators", "ensure_docker"):
        monkeypatch.setattr(lock, name, lambda *_: None)
    monkeypatch.setattr(lock, "resolve_packages", fail)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    with pytest.raises(PracticumError, match="no-such-package"):
        lock.lock_semester(load(both.folder), Console(plain=True))
    assert {path: path.read_bytes() for path in both.folder.iterdir()} == before


@pytest.mark.parametrize("obstacle", ["require_root", "require_emulators", "ensure_docker"])
def test_obstacles_are_told_before_the_index_is_asked(
    both: Semester, monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    def refuse(*_: object) -> None:
        raise PracticumError(obstacle, "is not there", "")

    for name in ("require_emulators", "ensure_docker"):
        monkeypatch.setattr(lock, name, lambda *_: None)
    monkeypatch.setattr(lock, obstacle, refuse)
    monkeypatch.setattr(lock, "resolve", lambda *_args, **_options: pytest.fail("the index was asked"))
    with pytest.raises(PracticumError, match=f"{obstacle}: is not there"):
        lock.lock_semester(both, Console(plain=True))


def test_missing_emulator_is_told_before_any_lock_is_written(both: Semester, tmp_path: Path) -> None:
    """In a process in which binfmt_misc is mounted nowhere: the one of this machine may have the emulator."""
    probe = (
        "import sys; from pathlib import Path; from practicum.images import emulator\n"
        f"emulator.require_emulator.__defaults__ = (Path({str(tmp_path / 'nowhere')!r}),)\n"
        "from practicum.cli import main; sys.argv = ['practicum', 'lock']; main()"
    )
    before = sorted(both.folder.iterdir())
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "xdg"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 2
    assert re.fullmatch(
        r"practicum: qemu-\w+: binfmt_misc is not mounted at .*; run as root: make emulator\n", done.stderr
    )
    assert sorted(both.folder.iterdir()) == before


@pytest.mark.parametrize("target", [BOOKWORM, BOOKWORM_ARM])
def test_header_gives_the_target_back(target: Target, tmp_path: Path) -> None:
    path = tmp_path / "python-cpu.lock"
    path.write_text(lockfile.render_lock([], target, "test"))
    assert read_target(path) == target


def test_same_packages_for_two_architectures_are_two_locks(tmp_path: Path) -> None:
    first, second = tmp_path / "1.lock", tmp_path / "2.lock"
    package = LockedPackage("six", "1.17.0", ("a" * 64,))
    for path, target in ((first, BOOKWORM), (second, BOOKWORM_ARM)):
        path.write_text(lockfile.render_lock([package], target, "test"))
    assert lockfile.hash_lock(first) != lockfile.hash_lock(second)


def test_tags_of_another_machine() -> None:
    tags = [str(tag) for tag in BOOKWORM_ARM.list_tags()]
    assert tags[0] == "cp311-cp311-manylinux_2_36_aarch64" and "cp311-cp311-manylinux2014_aarch64" in tags
    assert "py3-none-any" in tags and not any("x86_64" in tag for tag in tags)


def test_tags_of_a_target() -> None:
    tags = [str(tag) for tag in BOOKWORM.list_tags()]
    assert tags[0] == "cp311-cp311-manylinux_2_36_x86_64"
    assert tags.index("cp311-cp311-manylinux_2_17_x86_64") + 1 == tags.index("cp311-cp311-manylinux2014_x86_64")
    assert {"cp310-abi3-manylinux_2_28_x86_64", "py3-none-manylinux1_x86_64", "py3-none-any"} < set(tags)
    assert not any("manylinux_2_37" in tag or "cp312" in tag or "win" in tag for tag in tags)


def test_cpu_sources_come_from_pips_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nfind-links =\n    /a\n    /b\n[install]\nfind-links = /c\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_FIND_LINKS", "/d /a")
    monkeypatch.setenv("UV_FIND_LINKS", "/e")
    links, index = resolver.list_cpu_sources()
    assert {"/a", "/b", "/c", "/d", "/e"} <= set(links)
    assert len([link for link in links if link == "/a"]) == 1
    assert index == ("--torch-backend", "cpu")


def test_debian_lock(semester: Semester, tmp_path: Path) -> None:
    installed = {"zlib1g": "1:1.2.13", "apt": "2.6.1", "libc6:amd64": "2.36-9+deb12u10", "g++-12": "12.2.0-14"}
    path = semester.folder / "debian.lock"
    base = {"apt": "2.6.0", "libc6:amd64": "2.36-9+deb12u10"}
    path.write_text(render_debian(Packages(base, installed), "2027-spring"))
    assert read_debian(path) == installed
    of_base, rest = path.read_text().split("# of the products, besides\n")
    assert [line.partition("=")[0] for line in of_base.splitlines()[1:]] == sorted(base)
    assert [line.partition("=")[0] for line in rest.splitlines()] == ["g++-12", "zlib1g"]
    assert read_base(path) == "apt=2.6.1\nlibc6:amd64=2.36-9+deb12u10\n", "as the products have it"
    path.write_text("apt 2.6.1\n")
    with pytest.raises(PracticumError, match=r"debian.lock: line 1: not name=version; run"):
        read_debian(path)


def test_packages_that_the_archive_does_not_have_are_told_at_once(
    semester: Semester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Virtual ones among them: no build installs a package of that name."""
    offered = "   git | 1:2.39.5 | http://host bookworm/main amd64 Packages\n   git | 1:2.39.2 | http://host x\n"
    names = ["git", "no-such-package", "awk"]
    assert lock.list_unknown(names, offered) == ["no-such-package", "awk"] and lock.list_unknown([], "") == []
    asked: list[tuple[str, ...]] = []

    def answer(argv: list[str], **_: object) -> str:
        asked.append(tuple(argv[3:]))
        return offered if "madison" in argv else ""

    monkeypatch.setattr(lock, "read", answer)
    monkeypatch.setattr(lock, "make_root", lambda *_: None)
    monkeypatch.setattr(lock, "running", lambda *_, **__: nullcontext("container"))
    monkeypatch.setattr(lock, "remove_image", lambda _: None)
    root = Root("bookworm", tmp_path, 0, "amd64", "")
    with pytest.raises(PracticumError) as caught:
        lock.resolve_packages(root, names, tmp_path, Console(plain=True), "semesters/x/semester.toml: debian")
    assert str(caught.value) == (
        "semesters/x/semester.toml: debian: bookworm for amd64 has no package no-such-package, awk; "
        "take names that `apt-cache search` prints"
    )
    assert asked[-1] == ("apt-cache", "madison", *names), "nothing is simulated then"


def test_drift() -> None:
    assert drift({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "3"}) == [
        "b: 1 became 2",
        "c: 1 is gone",
        "d: 3 is new",
    ]
    assert drift({"a": "1"}, {"a": "1"}) == []


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_real_locks(path: Path) -> None:
    semester = load(path.parent)
    kind: Variant = "cpu" if "cpu" in path.name else "cuda"
    assert path in [find_lock(semester, kind, architecture) for architecture in semester.built_for]
    text = path.read_text()
    assert "//" not in text and "file:" not in text
    torch = {package.name: package.version for package in read_lock(path)}["torch"]
    assert Version(torch).local in ((None, "cpu") if kind == "cpu" else (None,))
    assert any(package.name.startswith("nvidia-") for package in read_lock(path)) == (kind == "cuda")


def test_every_architecture_has_its_locks() -> None:
    for folder in SEMESTERS:
        semester = load(folder)
        each = [(variant, architecture) for architecture in semester.built_for for variant in VARIANTS]
        assert {place_lock(semester, *one) for one in each} == {path for path in LOCKS if path.parent == folder}


def find_holes(packages: list[LockedPackage]) -> list[str]:
    """The packages older than semesters/security-floors.toml allows."""
    floors = tomllib.loads((ROOT / "semesters/security-floors.toml").read_text())["floor"]
    oldest = {floor["package"]: floor for floor in floors}
    return [
        f"{package.name} {package.version}: {', '.join(oldest[package.name]['cve'])}"
        for package in packages
        if package.name in oldest and Version(package.version) < Version(oldest[package.name]["version"])
    ]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_known_hole_in_the_locks(path: Path) -> None:
    packages = read_lock(path)
    assert find_holes(packages) == []
    planted = [
        LockedPackage(package.name, "4.6.1", package.hashes) if package.name == "jupyterlab" else package
        for package in packages
    ]
    assert [hole.partition(":")[0] for hole in find_holes(planted)] == ["jupyterlab 4.6.1"], (
        "the check must be able to fail"
    )


def test_security_floors_are_well_formed() -> None:
    floors = tomllib.loads((ROOT / "semesters/security-floors.toml").read_text())["floor"]
    for floor in floors:
        assert set(floor) == {"package", "version", "cve", "date"}
        assert Version(floor["version"]) and re.fullmatch(r"[a-z0-9-]+", floor["package"])
        assert floor["cve"] and all(re.fullmatch(r"CVE-\d{4}-\d{4,}", cve) for cve in floor["cve"])
    assert len({floor["package"] for floor in floors}) == len(floors)
