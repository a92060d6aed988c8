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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import pytest
from cpu_time import run_counted
from held_programs import HeldPrograms
from survivors import HANG, MARK, listeners_of, marked_processes, mounts_under, wait_until

from practicum.commands.lock import resolve_python
from practicum.engine import cache, stages, tools
from practicum.engine.errors import PracticumError
from practicum.engine.stage import Stage
from practicum.images.docker import ensure_docker
from practicum.semester import find, products
from practicum.semester.description import Semester, load
from practicum.semester.locks import place_lock

ROOT = Path(__file__).parent.parent
# Of the newest semester's year, and so of its epoch: its lowest layers can be lent.
SEMESTER = f"{find.list_semesters(ROOT)[-1][:4]}-autumn"
# On the layer of Debian packages that the newest semester has.
TOML = """
[course]
code = "TT-1"
title = "Interrupted"
institution = "Nowhere"
semester = "%(semester)s"
[debian]
suite = "%(suite)s"
packages = %(packages)s
appliance_packages = %(appliance_packages)s
[python]
requires = %(requires)s
[content]
include = ["index.md"]
"""
# The least the roles ask for.
ROLES_ASK = ("chrony", "openssh-server", "systemd-resolved", "systemd-sysv")

SILENCE = 2 * HANG
"""Seconds without a new line after which a build counts as hanging, and seconds that its end may take."""

LOOK = 3.0
"""Seconds between two looks at the ports of a build: each reads of every process of the machine."""


@dataclass
class Build:
    """A running `practicum` build: its process, what it says, and the addresses it listens on."""

    process: "subprocess.Popen[bytes]"
    told: Path
    mark: str
    listeners: set[str] = field(default_factory=set)

    def said(self) -> str:
        return self.told.read_text()

    def wait_for(self, condition: Callable[[], object], pause: float = 0.1) -> None:
        """Polls until `condition` holds; fails when the build ends before, or says nothing new for SILENCE seconds."""
        heard, quiet_since, looked = "", time.monotonic(), 0.0
        while True:
            alive = self.process.poll() is None  # asked first, for what a program did last before its end counts
            if condition():
                self.listeners |= listeners_of(self.mark)
                return
            now = time.monotonic()
            if not alive:
                self.fail(f"the build ended with {self.process.returncode}")
            if (news := re.sub(r".*: still running after .*\n", "", self.said())) != heard:
                heard, quiet_since = news, now
            if now - quiet_since > SILENCE:
                self.fail(f"no new line for {SILENCE:.0f} s")
            if now - looked > LOOK:
                self.listeners |= listeners_of(self.mark)
                looked = now
            time.sleep(pause)

    def wait_for_line(self, text: str) -> None:
        self.wait_for(lambda: text in self.said())

    def stop(self, signum: int) -> int:
        """Sends the signal; returns the exit code."""
        self.process.send_signal(signum)
        try:
            return self.process.wait(SILENCE)
        except subprocess.TimeoutExpired:
            self.fail("the signal did not end it")

    def finish(self) -> None:
        self.wait_for(lambda: self.process.poll() is not None)
        if self.process.returncode:
            self.fail(f"exit code {self.process.returncode}")

    def stages_run(self) -> list[str]:
        """Returns the names of the stages that were not cached."""
        return re.findall(r"^\[ *[\d.]+ s\] ([\w-]+): done in", self.said(), re.MULTILINE)

    def fail(self, reason: str) -> NoReturn:
        raise AssertionError(f"{reason}; it said:\n{self.said()}\nand left: {marked_processes(self.mark)}")


@dataclass
class Site:
    """Below `folder`: checkout/, cache/ (XDG_CACHE_HOME), tmp/ (TMPDIR), bin/ (PATH) and what the builds said."""

    folder: Path
    tags: set[str] = field(default_factory=set)
    count: int = 0
    broken: str = ""

    @property
    def root(self) -> Path:
        return self.folder / "checkout"

    @property
    def dist(self) -> Path:
        return self.root / "dist" / SEMESTER

    @property
    def work(self) -> Path:
        return self.folder / "cache/practicum/work"

    @cached_property
    def programs(self) -> HeldPrograms:
        return HeldPrograms(self.folder / "bin")

    def load(self) -> Semester:
        return load(self.root / "semesters" / SEMESTER)

    def give_more_memory(self) -> None:
        """Changes what the .ova alone depends on."""
        path = self.root / "semesters" / SEMESTER / "semester.toml"
        path.write_text(f"{path.read_text()}[appliance]\nmemory_mb = 6144\n")

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{self.programs.folder}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "TMPDIR": str(self.folder / "tmp"),
        }

    def command(self, *arguments: str) -> tuple["subprocess.CompletedProcess[str]", float]:
        """Runs a command of `practicum`; returns also the CPU seconds it took."""
        argv = [Path(sys.executable).with_name("practicum"), *arguments]
        return run_counted(argv, cwd=self.root, env=self.environment(), timeout=HANG)

    @contextmanager
    def building(self, *command: str, umask: int = -1, **environment: str) -> Iterator[Build]:
        """Starts `practicum ova`, or `command`; at the end nothing of it may be left, whatever ended it.

        Skips the test when an earlier one left the walk broken.
        """
        if self.broken:
            pytest.skip(f"{self.broken} failed, and this goes on from there")
        self.count += 1
        self.tags |= {stage.image for stage in products.list_all(self.load()) if stage.image}
        mark, told = uuid.uuid4().hex, self.folder / f"build-{self.count}.txt"
        with told.open("wb") as stream:
            process = subprocess.Popen(
                [Path(sys.executable).with_name("practicum"), *(command or ("ova",)), SEMESTER],
                cwd=self.root,
                env={**self.environment(), MARK: mark, **environment},
                umask=umask,
                stdout=subprocess.DEVNULL,
                stderr=stream,
                start_new_session=True,
            )
        running = Build(process, told, mark)
        try:
            try:
                yield running
            finally:
                self.programs.let_go()
                if process.poll() is None:
                    running.stop(signal.SIGKILL)
            self.assert_nothing_left(running)
        except BaseException:
            self.broken = os.environ["PYTEST_CURRENT_TEST"].split(" ")[0]
            raise

    def assert_nothing_left(self, ended: Build) -> None:
        wait_until(lambda: not marked_processes(ended.mark), pause=0.1)
        wait_until(lambda: not self.containers(), pause=0.3)
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

    def lend_layers(self) -> None:
        """Gives the builds the lowest layers of this machine's own cache, if it has them, under names of their own.

        They are what the builds would make themselves: their keys differ for a comment and a list of versions.
        """
        ours, theirs = (products.list_environment(semester, "cpu")[:2] for semester in (self.load(), newest_semester()))
        for mine, other in zip(ours, theirs, strict=True):
            assert describe_inputs(mine) == describe_inputs(other), f"{mine.name} would not be what is lent"
            if stages.find_fault(other):
                return
            folder = self.folder / "cache/practicum/stages" / mine.name / mine.key
            shutil.copytree(other.folder, folder)
            manifest = json.loads((folder / stages.MANIFEST).read_text())
            (folder / stages.MANIFEST).write_text(json.dumps({**manifest, "image": mine.image, "key": mine.key}))
            self.tags.add(mine.image)
            docker("tag", other.image, mine.image)

    def remove(self) -> None:
        """Removes the folder and the images that its builds made."""
        known = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
        for tag in self.tags & set(known):
            docker("image", "rm", "--force", tag)
        cache.remove_tree(self.folder)


def newest_semester() -> Semester:
    return load(ROOT / "semesters" / find.list_semesters(ROOT)[-1])


def describe_inputs(stage: Stage) -> dict[str, str]:
    """Returns the inputs of one of the lowest layers that change what is in it."""
    told_apart = ("base", "debian_lock", "recorded", "ansible/trim/debian.dpkg.cfg")
    return {
        label: value
        for label, value in stage.inputs.items()
        if label not in told_apart and not label.endswith("/debian.lock")
    }


def docker(*arguments: str, check: bool = True) -> str:
    """Returns the output; without `check` of what it could do, for containers may end between two questions."""
    argv = [tools.find("docker") or "docker", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=check).stdout


def make_site(
    folder: Path,
    suite: str = "bookworm",
    machine: Sequence[str] = ROLES_ASK,
    requires: Sequence[str] = ("pip",),
) -> Site:
    """Copies what a build reads, and describes a semester that is not locked yet.

    suite: of Debian. machine: its packages that only the appliance has. requires: its Python packages.
    """
    site = Site(folder)
    site.programs.make()
    for name in ("packer", "ansible", "docker", "runtime", "course_content", "docs", "smoke_tests"):
        shutil.copytree(ROOT / name, site.root / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    described = site.root / "semesters" / SEMESTER
    described.mkdir(parents=True)
    lists = {"packages": newest_semester().debian.packages, "appliance_packages": machine, "requires": requires}
    texts = {key: json.dumps(list(values)) for key, values in lists.items()}
    (described / "semester.toml").write_text(TOML % {"semester": SEMESTER, "suite": suite, **texts})
    (folder / "tmp").mkdir()
    # Where ipykernel would be installed, it brings the folder of the kernel description that the role overwrites.
    role = site.root / "ansible/roles/jupyter/tasks/main.yml"
    folder_of_settings = "/opt/venv/share/jupyter/lab/settings "
    kernels = "/opt/venv/share/jupyter/kernels/python3 "
    role.write_text(role.read_text().replace(folder_of_settings, folder_of_settings + kernels))
    # Its packages are too few for the page that names the version of torch.
    (site.root / "course_content/index.md").write_text("# A small course\n")
    # No image is shared with another checkout of this machine, which might remove it or miss it.
    with (site.root / "ansible/trim/debian.dpkg.cfg").open("a") as trim:
        trim.write(f"# {uuid.uuid4()}\n")
    return site


@contextmanager
def locked(site: Site) -> Iterator[Site]:
    """Gives a new site with its locks, and removes it at the end; skips the test where no build can run."""
    if os.geteuid() != 0:
        pytest.skip("a build needs root")
    try:
        ensure_docker()
        tools.require("mmdebstrap", "packer", "ansible-playbook")
    except PracticumError as error:
        pytest.skip(str(error))
    try:
        # The wheels are content-addressed and made for being shared; downloading them again would prove nothing.
        (site.folder / "cache/practicum").mkdir(parents=True)
        store = cache.root() / "wheels"
        store.mkdir(exist_ok=True)
        (site.folder / "cache/practicum/wheels").symlink_to(store)
        lock = place_lock(site.load(), "cpu")
        lock.write_text(resolve_python(site.load(), "cpu"))
        shutil.copy(lock, lock.with_name("python-cuda.lock"))  # no torch, so no difference
        yield site
    except PracticumError as error:
        if "network" not in str(error):
            raise
        pytest.skip(str(error))
    finally:
        site.remove()
