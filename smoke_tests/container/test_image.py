"""The images as they are given out, before anything runs in them: settings, layers, files."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from practicum.architecture import Architecture
from practicum.semester import products, settings
from practicum.semester.description import Semester
from practicum.semester.revision import Revision
from smoke_tests.bytecode import LIST_DATED
from smoke_tests.container.docker import Container, docker, idle, inspect
from smoke_tests.debian import RUN, list_root

LIMITS = {"cpu": 2.0e9, "cuda": 6.7e9}
"""Bytes, unpacked, as docker counts them."""

MOST_LAYERS = 12

# What a build or a first run leaves and nobody may share, by path.
FORBIDDEN = re.compile(
    r"(etc/ssh/ssh_host_.*|.*/jupyter_cookie_secret|.*/(notebook_secret|nbsignatures\.db)|.*/\.(bash|python)_history"
    r"|.*/\.(ipython|jupyter|ansible)|.*/authorized_keys|etc/ssl/private/.+|var/lib/apt/lists/.*_(Packages|InRelease)"
    r"|var/cache/apt/archives/.*\.deb|(root|home/[^/]+)/\.cache/.+|(tmp|var/tmp)/.+)"
)
# What builds an image, and where it works; only python3-apt stays (docs/docker-stacks.md).
BUILDER = re.compile(
    r"(/packer-files|/run/(alive|ansible|packer|practicum)|/root/\.(ansible|cache|config|local)|/var/lib/apt/lists/[^/]+)(/.*)?"
    r"|.*/s?bin/(ansible|mmdebstrap|packer|uv|uvx)[^/]*|.*/(ansible|ansible_[^/]*)"
)
PRIVATE_KEY = re.compile(rb"^-----BEGIN ([A-Z]+ )?PRIVATE KEY-----", re.MULTILINE)

LISTING = r"find / -xdev -printf '%y %m %U %G %s %p\0'"
CAPABILITIES = (
    "import os\n"
    "for top, _, names in os.walk('/'):\n"
    "    if top.startswith(('/proc', '/sys', '/dev')):\n"
    "        continue\n"
    "    for name in names:\n"
    "        path = os.path.join(top, name)\n"
    "        if not os.path.islink(path) and 'security.capability' in os.listxattr(path):\n"
    "            print(path)\n"
)


@dataclass(frozen=True)
class Entry:
    kind: str
    mode: int
    uid: int
    gid: int
    size: int


@dataclass(frozen=True)
class Image:
    kind: str
    name: str
    described: dict[str, Any]
    asked: Container
    """Where it is asked: without a network, past the entry point."""

    files: dict[str, Entry]

    @property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.described["Config"]
        return config

    @property
    def environment(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.config["Env"])

    def ask(self, *argv: str, user: str = "0") -> str:
        """Return what a program says."""
        return self.asked.exec(argv, user).stdout


@pytest.fixture(scope="module", params=products.VARIANTS)
def image(request: pytest.FixtureRequest) -> Iterator[Image]:
    name: str = request.getfixturevalue(f"{request.param}_image")
    with idle(name, "--network=none") as asked:
        files = list_files(asked)  # before anything else runs in it
        assert len(files) > 20_000 and "/etc/passwd" in files, "an empty listing would pass every test below"
        yield Image(request.param, name, inspect(name), asked, files)


def list_files(asked: Container) -> dict[str, Entry]:
    files = {}
    for line in filter(None, asked.exec(["sh", "-c", LISTING]).stdout.split("\0")):
        kind, mode, uid, gid, size, path = line.split(" ", 5)
        files[path] = Entry(kind, int(mode, 8), int(uid), int(gid), int(size))
    return files


@pytest.fixture(scope="module")
def imported(image: Image, architecture: Architecture) -> str:
    """Return what Python and the library of torch's threads say while the large packages are imported."""
    if image.kind == "cuda" and not architecture.is_native:
        pytest.skip("torch 2.13.0+cu130 ends in a segmentation fault in QEMU 7.2's emulation")
    code = "import sys, torch, numpy, jupyterlab; print(sys.flags.dont_write_bytecode)"
    return image.ask("sh", "-c", f"cd / && OMP_DISPLAY_ENV=true python -v -c '{code}' 2>&1", user="1000")


# ---- settings ------------------------------------------------------------------------------------------------------


def test_docker_knows_its_platform(image: Image, architecture: Architecture) -> None:
    """docker import, asked for another than its own, makes its own without a word."""
    told = (image.described["Os"], image.described["Architecture"], image.described.get("Variant", ""))
    assert told == ("linux", architecture.name, architecture.variant)


def test_runs_as_a_numbered_user_and_declares_no_volume(image: Image) -> None:
    assert image.config["User"] == "1000"
    assert not image.config.get("Volumes")
    assert image.config["WorkingDir"] == "/home/jovyan" == image.environment["HOME"]


def test_settings_are_those_of_the_recipe(image: Image, semester: Semester) -> None:
    start = settings.describe_start(semester, image.kind)  # type: ignore[arg-type]
    wanted = dict(line.removeprefix("ENV ").split("=", 1) for line in start if line.startswith("ENV "))
    assert image.environment == wanted
    assert image.config["Entrypoint"] == ["/usr/bin/tini", "-g", "--", "/usr/local/bin/start.sh"]
    assert image.config["Cmd"] == ["start-notebook.py"]
    assert image.config["ExposedPorts"] == {"8888/tcp": {}}
    assert image.config["Healthcheck"]["Test"] == ["CMD", "/usr/local/bin/course-health"]


def test_threads_of_torch_sleep_while_they_wait(imported: str) -> None:
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in imported


def test_labels_tell_the_truth(image: Image, architecture: Architecture) -> None:
    labels = image.config["Labels"]
    told = json.loads(image.ask("cat", "/etc/course/torch.json"))
    assert labels["practicum.torch"] == told["torch"]
    assert labels["practicum.cuda"] == (told["cuda"] or "none")
    assert labels["practicum.architectures"] == (" ".join(told["architectures"]) or "none")
    assert (image.kind == "cuda") == bool(told["architectures"])
    assert labels.get("practicum.gpu", "") == (architecture.gpu if image.kind == "cuda" else "")
    assert re.fullmatch(r"([0-9a-f]{40}|unknown)(-dirty)?", labels["org.opencontainers.image.revision"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", labels["org.opencontainers.image.created"])


def test_landing_page_names_the_torch_that_is_installed(image: Image) -> None:
    torch = json.loads(image.ask("cat", "/etc/course/torch.json"))["torch"]
    assert f"this is PyTorch {torch.partition('+')[0]} with" in image.ask("cat", "/opt/course/content/index.md")


def test_commit_has_a_name_of_its_own(image: Image, semester: Semester, architecture: Architecture) -> None:
    labels = image.config["Labels"]
    commit, _, dirty = labels["org.opencontainers.image.revision"].partition("-")
    built = Revision(commit, labels["org.opencontainers.image.created"])
    names = settings.name_image(semester, image.kind, built, architecture)  # type: ignore[arg-type]
    assert names.moving in image.described["RepoTags"]
    if dirty:
        pytest.skip("built from files that no commit holds: the image has no name that stays")
    # Where this commit was built twice, the name stays with the first image.
    assert inspect(names.fixed)["Config"]["Labels"]["org.opencontainers.image.revision"] == commit


def test_layers_are_few_and_the_course_comes_last(image: Image) -> None:
    layers = image.described["RootFS"]["Layers"]
    assert len(layers) <= MOST_LAYERS
    history = docker("history", "--no-trunc", "--format", "{{.Size}}", image.name).stdout.split("\n")
    sizes = [size for size in history if size and size != "0B"]
    assert re.fullmatch(r"[\d.]+(kB|MB)", sizes[0]) and _bytes(sizes[0]) < 20e6, f"the course's layer has {sizes[0]}"


def _bytes(size: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)([kMG]?B)", size).groups()  # type: ignore[union-attr]
    return float(number) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]


def test_size_is_as_promised(image: Image) -> None:
    assert image.described["Size"] <= LIMITS[image.kind]


# ---- files ---------------------------------------------------------------------------------------------------------


def test_only_sudo_lends_rights(image: Image) -> None:
    lending = {path: entry for path, entry in image.files.items() if entry.kind == "f" and entry.mode & 0o6000}
    assert set(lending) == {"/usr/bin/sudo"}
    assert image.ask("/opt/venv/bin/python", "-c", CAPABILITIES) == ""


def test_nobody_can_write_what_others_run(image: Image) -> None:
    open_to_all = {
        path
        for path, entry in image.files.items()
        if entry.mode & 0o002 and (entry.kind == "f" or (entry.kind == "d" and not entry.mode & 0o1000))
    }
    assert open_to_all == set()
    ours = ("/opt/", "/etc/course", "/etc/jupyter", "/usr/local/")
    assert [path for path, entry in image.files.items() if path.startswith(ours) and entry.uid != 0] == []
    closed = [
        path
        for path, entry in image.files.items()
        if path.startswith(ours) and entry.kind != "l" and entry.mode & 0o004 == 0
    ]
    assert closed == [], "any user id must be able to read the course"


def test_home_is_open_to_group_0_and_empty(image: Image) -> None:
    home = image.files["/home/jovyan"]
    assert (home.uid, home.gid, home.mode) == (1000, 0, 0o775)
    names = {path.removeprefix("/home/jovyan/") for path in image.files if path.startswith("/home/jovyan/")}
    assert names <= {".bashrc", ".profile", ".bash_logout"}, "what lies in the home is hidden by a mounted one"


def test_nothing_is_left_in_temporary_folders(image: Image) -> None:
    assert [path for path in image.files if path.startswith(("/tmp/", "/var/tmp/"))] == []


def test_nothing_of_the_builder_is_left(image: Image) -> None:
    assert [path for path in image.files if BUILDER.fullmatch(path)] == []


def test_no_mount_point_of_the_build_is_left(image: Image, architecture: Architecture) -> None:
    # Docker makes the file .dockerenv in each container.
    assert list_folder(image.files, "/") - {".dockerenv"} == list_root(architecture)
    assert list_folder(image.files, "/run/") == RUN


def list_folder(files: dict[str, Entry], folder: str) -> set[str]:
    """Return the names in `folder`, whose own name ends in a slash."""
    below = {path.removeprefix(folder) for path in files if path.startswith(folder)}
    return {name for name in below if name and "/" not in name}


def test_passwords_are_locked(image: Image) -> None:
    lines = [line.split(":") for line in image.ask("cat", "/etc/shadow").splitlines()]
    assert {name: password for name, password, *_ in lines if password not in ("*", "!", "!*")} == {}
    sudoers = image.ask("sh", "-c", "cat /etc/sudoers /etc/sudoers.d/*")
    assert not re.search(r"^(jovyan|ALL|%users)\b", sudoers, re.MULTILINE)
    assert image.ask("id", "-Gn", "jovyan").split() == ["users"]


def test_no_compiler_no_conda_no_second_cuda(image: Image) -> None:
    programs = {path.rpartition("/")[2] for path, entry in image.files.items() if entry.kind == "f" and entry.mode & 1}
    unwanted = {"gcc", "g++", "cc", "clang", "nvcc", "conda", "mamba", "ld"}
    assert not {name for name in programs if name in unwanted or re.fullmatch(r"(gcc|g\+\+)-\d+", name)}
    runtimes = [path for path in image.files if re.search(r"/libcudart\.so\.\d+$", path)]
    assert len(runtimes) == (1 if image.kind == "cuda" else 0), runtimes


def test_python_is_compiled(image: Image) -> None:
    """On a read-only root Python could not do it later, and imports cost three times as much."""
    pattern = re.compile(r"/opt/venv/lib/python3\.\d+/site-packages/(torch|numpy|pandas|jupyterlab|jupyterhub)/.+\.py")
    modules = [path for path in image.files if pattern.fullmatch(path) and "/torch/testing/_internal/" not in path]
    cache = re.compile(r"(.*)/__pycache__/(.*)\.cpython-\d+\.pyc")
    compiled = {f"{match[1]}/{match[2]}.py" for path in image.files if (match := cache.fullmatch(path))}
    assert len(modules) > 1000 and [path for path in modules if path not in compiled] == []


def test_compiled_python_holds_no_times(image: Image) -> None:
    """They would differ at each build, and be stale in an archive, whose files are dated."""
    assert image.ask("/usr/bin/python3", "-c", LIST_DATED) == ""


def test_bytecode_is_not_stale(imported: str) -> None:
    """Stale, it would be compiled again at every import."""
    told = imported.splitlines()
    assert len(told) > 1000
    assert [line for line in told if "bytecode is stale" in line or line.startswith("# wrote ")] == []


# ---- layers, one by one --------------------------------------------------------------------------------------------


def find_layers(image: str) -> list[Path]:
    """Return the folder in which docker keeps each layer: `docker save` would pack gigabytes to show the same."""
    described = inspect(image)
    driver = described["GraphDriver"]
    if driver["Name"] != "overlay2" or os.geteuid():
        pytest.skip(f"layers can be looked at where docker keeps them by overlay2, as root; not by {driver['Name']}")
    folders = [Path(folder) for folder in (driver["Data"]["UpperDir"], *driver["Data"]["LowerDir"].split(":"))]
    assert len(folders) == len(described["RootFS"]["Layers"]) and all(folder.is_dir() for folder in folders)
    return folders


def walk(layer: Path) -> Iterator[tuple[Path, int]]:
    """Every regular file of the layer, with its size in bytes; links lead out of it and are not followed."""
    for folder, _, names in os.walk(layer):
        for path in (Path(folder, name) for name in names):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                yield path, status.st_size


def test_no_secret_in_any_layer(cpu_image: str, cuda_image: str) -> None:
    """Nor in a file that a later layer hides. A layer that both images have is read once."""
    places = ("etc/", "root/", "home/", "var/", "opt/course/", "srv/", "usr/local/")
    count, found = 0, []
    for layer in {*find_layers(cpu_image), *find_layers(cuda_image)}:
        for path, size in walk(layer):
            name = path.relative_to(layer).as_posix()
            count += 1
            if size and FORBIDDEN.fullmatch(name):
                found.append(name)
            looked_into = name.startswith(places) and not name.startswith("var/lib/dpkg/") and 100 < size < 10_000
            if looked_into and PRIVATE_KEY.search(path.read_bytes()):
                found.append(name)
    assert count > 20_000 and found == []
