"""A cgroup for one part of the proof: counts the CPU time of its processes and of the containers it starts.

On a busy host, docker's containers together weigh as much as one process. The containers of the proof are therefore in
a cgroup of their own, which weighs more.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PARENT = "practicum-proof"
WEIGHT = 8
"""The containers of the proof together weigh as much as this many processes of the host."""


@dataclass(frozen=True)
class Cgroup:
    """The cgroup `path`, as docker's --cgroup-parent takes it, below the mount point `root`."""

    path: str
    root: Path = ROOT

    @property
    def is_v2(self) -> bool:
        return (self.root / "cgroup.controllers").exists()

    @property
    def _counter(self) -> Path:
        """The folder whose files count CPU time."""
        return self.root / ("" if self.is_v2 else "cpuacct") / self.path.lstrip("/")

    @property
    def _processes(self) -> Path:
        """Processes and child cgroups may not share a cgroup of version 2, so processes get a child of their own."""
        return self._counter / "processes"

    def make(self) -> None:
        """Raise OSError where this process may not make cgroups."""
        if self.is_v2:
            for folder in (self.root, self.root / PARENT, self._counter):
                folder.mkdir(exist_ok=True)
                (folder / "cgroup.subtree_control").write_text("+cpu")
            (self.root / PARENT / "cpu.weight").write_text(str(100 * WEIGHT))
        else:
            containers = self.root / "cpu" / self.path.lstrip("/")
            containers.mkdir(parents=True, exist_ok=True)
            (containers.parent / "cpu.shares").write_text(str(1024 * WEIGHT))
        self._processes.mkdir(parents=True, exist_ok=True)

    def enter(self) -> None:
        """Move this process into the cgroup; its children follow."""
        (self._processes / "cgroup.procs").write_text(str(os.getpid()))

    def cpu_seconds(self) -> float:
        """CPU seconds, user and system, of all that ran in the cgroup and in its children since it was made."""
        if self.is_v2:
            counters = dict(line.split() for line in (self._counter / "cpu.stat").read_text().splitlines())
            return int(counters["usage_usec"]) / 1e6
        return int((self._counter / "cpuacct.usage").read_text()) / 1e9

    def remove(self) -> None:
        """Remove the cgroup in every hierarchy; what is still in use stays."""
        folders = [self._counter] if self.is_v2 else [each / self.path.lstrip("/") for each in self.root.iterdir()]
        for folder in (self._processes, *folders):
            with suppress(OSError):
                folder.rmdir()


def open_cgroup(name: str) -> Cgroup | None:
    """Return a new, empty cgroup for the part `name`, or None where this user or docker's driver does not allow it."""
    told = subprocess.run(["docker", "info", "--format", "{{.CgroupDriver}}"], capture_output=True, text=True)
    if os.geteuid() != 0 or told.stdout.strip() != "cgroupfs":
        return None
    # A process that was killed leaves its cgroup busy for a moment, and its CPU time in it: never the same one twice.
    group = Cgroup(f"/{PARENT}/{name}-{time.time_ns():x}")
    try:
        group.make()
    except OSError:
        group.remove()
        return None
    return group
