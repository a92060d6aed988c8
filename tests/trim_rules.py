"""The trim list as dpkg reads it, and the files of Debian's packages that it is applied to."""

import functools
import json
import lzma
import re
import tarfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from practicum.architecture import Architecture
from practicum.engine import cache
from practicum.engine.errors import PracticumError
from practicum.engine.run import read, run, stream
from practicum.images.apt import FOLDERS, apt_argv

TRIM = Path(__file__).parent.parent / "ansible/trim/debian.dpkg.cfg"
OTHERS = ("git", "udev", "wireless-regdb")
"""Packages besides the kernel whose files the list names; the last is the smallest with firmware."""

Files = dict[str, list[str]]
"""The files of a package by their path, each with the modules that it needs where it is a module of the kernel."""


@functools.cache
def read_rules() -> list[tuple[bool, str]]:
    """Returns the rules in their order: whether files are unpacked that match the pattern, and the pattern."""
    lines = (line.partition("=") for line in TRIM.read_text().splitlines() if line.startswith("path-"))
    return [(option == "path-include", pattern) for option, _, pattern in lines]


def is_unpacked(path: str) -> bool:
    """Judges as dpkg(1) does: shell patterns whose `*` also matches `/`, the last one that matches wins."""
    unpacked = True
    for included, pattern in read_rules():
        if included != unpacked and fnmatchcase(path, pattern):
            unpacked = included
    return unpacked


@dataclass(frozen=True)
class Release:
    """A release of Debian for one architecture, as its mirror has it today. folder: keeps what is known of it."""

    suite: str
    architecture: Architecture
    folder: Path

    def apt(self, *words: str, folder: Path | None = None) -> str:
        """Returns what apt-get says, which knows this release alone; `folder` is the one that it works in."""
        sources = [f"--option=Dir::Etc::sourcelist={self.folder / 'sources.list'}", "--option=Dir::Etc::sourceparts=-"]
        argv = apt_argv(self.folder / "apt", self.architecture.name, *sources, *words)
        if folder:
            run(argv, step="apt", cwd=folder)
            return ""
        return read(argv, step="apt")

    def update(self) -> None:
        """Reads the mirror's lists; skips the test where no mirror answers."""
        for name in FOLDERS:
            (self.folder / "apt" / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "apt/status").touch()
        (self.folder / "sources.list").write_text(f"deb {find_mirror()} {self.suite} main\n")
        try:
            self.apt("update", "--error-on=any")
        except PracticumError as error:
            pytest.skip(f"no mirror answers for {self.suite}: {error.reason}")

    def list_files(self) -> dict[str, Files]:
        """Returns the files of the kernel, called "kernel", and of OTHERS."""
        self.update()
        # Lines of 'ADDRESS' FILE SIZE DIGEST, also for the packages that these need.
        wanted = [self.architecture.kernel, *OTHERS]
        planned = self.apt("install", "--print-uris", "--no-install-recommends", *wanted)
        pattern = rf"^'\S+' ((?:linux-image-\d[^_ ]*|{'|'.join(OTHERS)})_\S+)"
        names = re.findall(pattern, planned, re.MULTILINE)
        packages = {name.partition("_")[0]: name for name in names}
        return {
            package if package in OTHERS else "kernel": self.read_package(package, name)
            for package, name in packages.items()
        }

    def read_package(self, package: str, name: str) -> Files:
        """Returns the files of `package`, which is downloaded where its file `name` is not known yet."""
        known = self.folder / f"{name}.json"
        if not known.exists():
            with cache.work_folder("trim") as work:
                self.apt("download", package, folder=work)
                (file,) = work.glob("*.deb")
                known.write_text(json.dumps(read_deb(file)))
        found: Files = json.loads(known.read_text())
        return found


def find_mirror() -> str:
    """Returns where this machine's apt finds Debian's packages; skips the test where apt does not know that."""
    told = read(["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"], step="apt")
    mirrors = [line.split()[1] for line in told.splitlines() if line.startswith("Debian ")]
    if not mirrors:
        pytest.skip("apt knows no mirror of Debian here; run: apt-get update")
    return mirrors[0]


def read_deb(file: Path) -> Files:
    """Returns the files of a package."""
    with (
        stream(["dpkg-deb", "--fsys-tarfile", str(file)], step="test") as content,
        tarfile.open(fileobj=content, mode="r|") as archive,
    ):
        return {member.name.removeprefix("."): find_needs(archive, member) for member in archive if not member.isdir()}


def find_needs(archive: tarfile.TarFile, member: tarfile.TarInfo) -> list[str]:
    """Returns the names of the modules that a module needs: modinfo(8) calls them `depends`."""
    if not member.name.endswith((".ko", ".ko.xz")) or not (content := archive.extractfile(member)):
        return []
    data = content.read()
    found = re.search(rb"\0depends=([^\0]*)\0", lzma.decompress(data) if member.name.endswith(".xz") else data)
    return [name_module(name) for name in found[1].decode().split(",")] if found and found[1] else []


def name_module(path: str) -> str:
    """Returns the name that the kernel has for the module in the file `path`."""
    return Path(path).name.partition(".ko")[0].replace("-", "_")
