"""A small checkout with a cache of its own, whose appliance is built for real in minutes, and eyes on its builds."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from survivors import MARK, listeners_of, marked_processes, mounts_under, wait_until

from practicum import build, cache, run
from practicum.description import load

ROOT = Path(__file__).parent.parent
SEMESTER = "2026-autumn"
# The least the roles ask for. ipykernel brings the kernel description that the jupyter role overwrites.
TOML = f"""
[course]
code = "TT-1"
title = "Interrupted"
institution = "Nowhere"
semester = "{SEMESTER}"
[debian]
suite = "bookworm"
packages = ["sudo"]
appliance_packages = ["chrony", "openssh-server", "systemd-resolved", "systemd-sysv"]
[python]
requires = ["ipykernel", "pip"]
[content]
include = ["index.md"]
"""


@dataclass
class Build:
    """A running `practicum` build: its process, what it says, and the ports it listens on."""

    process: "subprocess.Popen[bytes]"
    told: Path
    mark: str
    listeners: set[str] = field(default_factory=set)
    looked: float = 0.0

    def said(self) -> str:
        return self.told.read_text()

    def wait_for(self, condition: Callable[[], object], seconds: float = 420) -> None:
        """Polls until `condition` holds; fails when the build ends before, or after `seconds`."""

        def seen() -> object:
            if time.monotonic() >= self.looked + 0.5:  # a look at every process takes a while
                self.listeners |= listeners_of(self.mark)
                self.looked = time.monotonic()
            # Asked in this order, for what a program did last before its end counts.
            alive = self.process.poll() is None
            return condition() or not (alive or self.fail(f"the build ended with {self.process.returncode}"))

        wait_until(seen, seconds, pause=0.05)

    def wait_for_line(self, text: str) -> None:
        self.wait_for(lambda: text in self.said())

    def stop(self, signum: int) -> tuple[int, float]:
        """Sends the signal; returns the exit code, and the seconds until then."""
        sent = time.monotonic()
        self.process.send_signal(signum)
        try:
            return self.process.wait(20), time.monotonic() - sent
        except subprocess.TimeoutExpired:
            return self.fail("no end within 20 s of the signal")

    def finish(self) -> None:
        self.wait_for(lambda: self.process.poll() is not None, 900)
        if self.process.returncode:
            self.fail(f"exit code {self.process.returncode}")

    def stages_run(self) -> list[str]:
        """Returns the names of the stages that were not cached."""
        return re.findall(r"^\[ *[\d.]+ s\] ([\w-]+): done in", self.said(), re.MULTILINE)

    def fail(self, reason: str) -> "tuple[int, float]":
        raise AssertionError(f"{reason}; it said:\n{self.said()}\nand left: {marked_processes(self.mark)}")


@dataclass
class Site:
    """Below `folder`: checkout/, cache/ (XDG_CACHE_HOME), tmp/ (TMPDIR) and what the builds said."""

    folder: Path
    tags: set[str] = field(default_factory=set)
    count: int = 0

    @property
    def root(self) -> Path:
        return self.folder / "checkout"

    @property
    def dist(self) -> Path:
        return self.root / "dist" / SEMESTER

    @property
    def content_file(self) -> Path:
        return self.root / "course_content/index.md"

    def environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache"), "TMPDIR": str(self.folder / "tmp")}

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [Path(sys.executable).with_name("practicum"), *arguments],
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def building(self, *command: str) -> Iterator[Build]:
        """Starts `practicum ova`, or `command`; at the end nothing of it may be left, whatever ended it."""
        self.count += 1
        self.tags |= {stage.tag for stage in build.list_stages(load(self.root / "semesters" / SEMESTER))}
        mark, told = uuid.uuid4().hex, self.folder / f"build-{self.count}.txt"
        with told.open("wb") as stream:
            process = subprocess.Popen(
                [Path(sys.executable).with_name("practicum"), *(command or ("ova",)), SEMESTER],
                cwd=self.root,
                env={**self.environment(), MARK: mark},
                stdout=subprocess.DEVNULL,
                stderr=stream,
                start_new_session=True,
            )
        running = Build(process, told, mark)
        try:
            yield running
        finally:
            if process.poll() is None:
                running.stop(signal.SIGKILL)
        self.assert_nothing_left(running)

    def assert_nothing_left(self, ended: Build) -> None:
        wait_until(lambda: not marked_processes(ended.mark), 15)
        wait_until(lambda: not self.containers(), 10)
        assert not mounts_under(self.folder)
        assert not list((self.folder / "tmp").iterdir()), "temporary files belong where the next build removes them"
        assert all(address.startswith(("127.", "::1")) for address in ended.listeners), ended.listeners
        assert "Traceback" not in ended.said(), ended.said()

    def containers(self) -> list[str]:
        """Returns the containers, stopped ones too, that see a folder of ours: every one the builds start does."""
        known = docker("ps", "--all", "--quiet").split()
        told = docker("inspect", "--format", "{{.Id}} {{json .HostConfig.Binds}}", *known, check=False) if known else ""
        return [line for line in told.splitlines() if str(self.folder) in line]

    def published_ports(self) -> str:
        ids = [line.split()[0] for line in self.containers()]
        return docker("inspect", "--format", "{{json .NetworkSettings.Ports}}", *ids, check=False) if ids else ""

    def written_bytes(self, running: Build) -> int:
        """Returns the size of the archive that the build is writing into dist/ and that has no name yet."""
        sizes = [0]
        with suppress(OSError):  # it ended meanwhile
            for link in list(Path(f"/proc/{running.process.pid}/fd").iterdir()):
                with suppress(OSError):
                    if os.readlink(link).startswith(f"{self.dist}/"):  # noqa: PTH115 - no file of this name exists
                        sizes.append(link.stat().st_size)
        return max(sizes)

    def dist_digests(self) -> dict[str, str]:
        """Returns the SHA-256 of every file of dist/, hidden ones too."""
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.dist.glob("*") if self.dist.exists() else [])
        }

    def remove(self) -> None:
        """Removes the folder and the images that its builds made."""
        known = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
        for manifest in (self.folder / "cache").glob("practicum/stages/*/*/manifest.json"):
            self.tags.add(json.loads(manifest.read_text())["image"])
        for tag in self.tags & set(known):
            docker("image", "rm", "--force", tag)
        cache.remove_tree(self.folder)


def docker(*arguments: str, check: bool = True) -> str:
    """Returns the output; without `check` of what it could do, for containers may end between two questions."""
    argv = [run.find("docker") or "docker", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=check).stdout


def make_site(folder: Path) -> Site:
    """Copies what a build reads, and describes a semester that is not locked yet."""
    site = Site(folder)
    for name in ("packer", "ansible", "docker", "course_content", "smoke_tests"):
        shutil.copytree(ROOT / name, site.root / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    described = site.root / "semesters" / SEMESTER
    described.mkdir(parents=True)
    (described / "semester.toml").write_text(TOML)
    (folder / "tmp").mkdir()
    # No image is shared with another checkout of this machine, which might remove it or miss it.
    with (site.root / "ansible/trim/debian.dpkg.cfg").open("a") as trim:
        trim.write(f"# {uuid.uuid4()}\n")
    return site
