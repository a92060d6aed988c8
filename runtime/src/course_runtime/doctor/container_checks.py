"""What `course-doctor` looks at in a container: no clock, swap or access code, they are its host's."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from course_runtime.doctor.findings import FAILURE, MEBIBYTE, OK, WARNING, Check, Finding
from course_runtime.doctor.gpu import check_gpu, check_shm
from course_runtime.doctor.machine_checks import check_cpu, check_kernel, check_network, check_versions, try_torch
from course_runtime.doctor.prologue_check import check_prologue
from course_runtime.files import home
from course_runtime.machine.console import measure_disk
from course_runtime.machine.machine import Machine, load_course
from course_runtime.machine.servers import list_servers

# Version 2 and version 1 of Linux's control groups, as a container sees its own.
MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
INSTALL_COMPILER = "as root (docker exec -u 0): apt-get update && apt-get install g++ python3-dev"


def check_memory(machine: Machine) -> Iterator[Finding]:
    """Look at main memory: what the host has free, and what it allows this container."""
    lines = machine.path("/proc/meminfo").read_text().splitlines()
    mebibytes = {line.split(":")[0]: int(line.split()[1]) >> 10 for line in lines if line.endswith("kB")}
    total, limit = mebibytes["MemTotal"], read_limit(machine)
    free = min(mebibytes["MemAvailable"], limit or total)
    detail = f"{free} of {total} MB free" + (f", {limit} MB for this container" if limit else "")
    if min(total, limit or total) < 1500:
        yield Finding("memory", FAILURE, detail, "start the container with more: docker run --memory=4g")
    elif free < total // 10 and not limit:
        yield Finding("memory", WARNING, detail, "shut down kernels you do not need, or other programs of the host")
    else:
        yield Finding("memory", OK, detail)


def read_limit(machine: Machine) -> int:
    """Return the container's limit in MB, 0 for none."""
    for absolute in MEMORY_LIMITS:
        try:
            limit = int(machine.path(absolute).read_text())
        except (OSError, ValueError):
            continue
        return limit // MEBIBYTE if limit < 1 << 60 else 0  # version 1 says "none" with a huge number
    return 0


def check_home(machine: Machine, environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Look whether files can be written in the home, and how long they live."""
    folder = Path(environ.get("HOME", "/"))
    if not home.is_usable(str(folder)):
        cure = "mount a folder that this user can write there"
        yield Finding("home", FAILURE, home.explain_home(str(folder)), cure)
        return
    if environ.get(home.TEMPORARY_HOME) == str(folder):
        cure = "mount a folder that this user can write and name it in HOME; copy what you need out of this one"
        yield Finding("home", WARNING, f"{folder} is lost with the container", cure)
    elif folder.stat().st_dev == machine.path("/").stat().st_dev:
        detail = f"{folder}, removed with the container: mount a folder or volume there to keep files"
        yield Finding("home", OK, detail)
    else:
        yield Finding("home", OK, f"{folder}, mounted from outside")
    disk = os.statvfs(folder)
    free, used = disk.f_bavail * disk.f_frsize // MEBIBYTE, measure_disk(folder)
    status = FAILURE if free < 200 else WARNING if used > 90 else OK
    cure = "delete files you do not need: du -xh ~ | sort -h | tail shows the largest"
    yield Finding("disk", status, f"{free} MB free, {used} % used", "" if status == OK else cure)


def check_packages(machine: Machine, environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Look where pip puts packages, and whether torch.compile finds a compiler."""
    if os.access(machine.path("/opt/venv/lib"), os.W_OK):
        yield Finding("pip", OK, "installs into /opt/venv, removed with the container")
    elif environ.get("PYTHONNOUSERSITE"):
        yield Finding("pip", WARNING, "Python ignores what it installs", "unset PYTHONNOUSERSITE")
    else:
        yield Finding("pip", OK, f"installs into {environ.get('PYTHONUSERBASE', '~/.local')}")
    compiler = machine.run([environ.get("CXX") or "g++", "--version"], timeout=10)
    if compiler.status:
        yield Finding("compiler", OK, "none, which only torch.compile and source packages need", INSTALL_COMPILER)
    else:
        yield Finding("compiler", OK, (compiler.output.splitlines() or ["there"])[0])


def check_server(machine: Machine) -> Iterator[Finding]:
    """Look whether this user's Jupyter servers answer."""
    servers = list_servers(machine)
    if not servers:
        cure = "fine when the container runs something else; otherwise start one with start-notebook.py"
        yield Finding("server", WARNING, "no Jupyter server of this user runs here", cure)
    for server in servers:
        # Only https is named: what plays the outside world in a test then need not know of it.
        options = {"secure": True} if server.secure else {}
        status, body = machine.probe(server.port, f"{server.base}api", **options)
        try:
            version = str(json.loads(body)["version"]) if status == 200 else ""
        except (ValueError, TypeError, KeyError):
            version = ""
        if version:
            yield Finding("server", OK, f"Jupyter {version} answers at {server.url}")
        else:
            cure = "save your work if you can, then restart the container; its log says why"
            yield Finding("server", FAILURE, f"{server.url} does not answer ({status or body})", cure)


def check_torch(machine: Machine) -> Iterator[Finding]:
    """Look whether torch computes, and on what: its word is the last one."""
    works, device = try_torch(machine)
    yield works
    for finding in check_gpu(machine):
        if load_course(machine).product == "cuda" and finding.status == OK and works.status == OK and not device:
            cure = "this shows why: python -c 'import torch; torch.zeros(1).cuda()'"
            detail = f"{finding.detail}; torch cannot use it"
            finding = replace(finding, status=WARNING, detail=detail, cure=cure)
        yield finding


CHECKS: Sequence[Check] = (
    check_cpu,
    check_memory,
    check_home,
    check_shm,
    check_network,
    check_server,
    check_versions,
    check_packages,
    check_prologue,
    check_kernel,
    check_torch,
)
