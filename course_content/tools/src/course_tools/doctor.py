"""`course-doctor`: is this machine fit for the course, and if not, what is the remedy."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata

from course_tools.access import check_gate
from course_tools.console import JUPYTER_PORT, measure_disk
from course_tools.machine import CourseError, Machine, exit_with, load_course

OK, WARNING, FAILURE = "ok", "warning", "failure"
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Finding:
    """What one look at the machine found; a remedy goes with everything that is not ok."""

    name: str
    status: str
    detail: str
    remedy: str = ""


Check = Callable[[Machine], Iterator[Finding]]


def check_cpu(machine: Machine) -> Iterator[Finding]:
    """AVX2 and FMA, which torch's fast kernels use; a hypervisor may hide them."""
    lines = machine.path("/proc/cpuinfo").read_text().splitlines()
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), None)
    count = sum(line.startswith("processor") for line in lines)
    missing = [] if flags is None else [name for name in ("AVX2", "FMA") if name.lower() not in flags]
    if not missing:
        yield Finding("cpu", OK, f"{count} processors" + (", with AVX2 and FMA" if flags else ""))
        return
    try:
        hypervisor = machine.path("/sys/class/dmi/id/product_name").read_text().strip()
    except OSError:
        hypervisor = ""
    remedies = {
        "VirtualBox": "on Windows turn off Hyper-V and Memory integrity (a turtle in VirtualBox's window says they are"
        " on), then restart the host; a processor from before 2013 has none",
        "Virtual Machine": "Hyper-V: turn off 'Migrate to a physical computer with a different processor version'",
    }
    remedy = remedies.get(hypervisor, "let the virtual machine use the host's processor type; torch is slow without")
    yield Finding("cpu", WARNING, f"{count} processors, without {' and '.join(missing)}", remedy)


def check_memory(machine: Machine) -> Iterator[Finding]:
    """Main memory and swap; 4 GB is what the course's machine is made with."""
    lines = machine.path("/proc/meminfo").read_text().splitlines()
    mebibytes = {line.split(":")[0]: int(line.split()[1]) >> 10 for line in lines if line.endswith("kB")}
    total, free, swap = mebibytes["MemTotal"], mebibytes["MemAvailable"], mebibytes.get("SwapTotal", 0)
    detail = f"{free} of {total} MB free"
    if total < 1500:
        yield Finding("memory", FAILURE, detail, "give the virtual machine at least 4096 MB: Settings > System")
    elif free < total // 10:
        yield Finding(
            "memory", WARNING, detail, "shut down kernels you do not need: JupyterLab, Running Terminals and Kernels"
        )
    else:
        yield Finding("memory", OK, detail)
    if swap:
        yield Finding("swap", OK, f"{swap} MB")
    else:
        yield Finding(
            "swap",
            WARNING,
            "none",
            "a kernel that needs too much memory dies sooner; swap is made at the start: restart the machine",
        )


def check_disk(machine: Machine) -> Iterator[Finding]:
    """Space on the disk, and in /dev/shm, which torch's DataLoader workers share."""
    disk = os.statvfs(machine.path("/"))
    free, used = disk.f_bavail * disk.f_frsize // MEBIBYTE, measure_disk(machine.path("/"))
    detail = f"{free} MB free, {used} % used"
    status = FAILURE if free < 200 else WARNING if used > 90 else OK
    remedy = "delete files you do not need: du -xh ~ | sort -h | tail shows the largest"
    yield Finding("disk", status, detail, "" if status == OK else remedy)
    shared = machine.path("/dev/shm")
    if shared.is_dir():
        space = os.statvfs(shared)
        size = space.f_blocks * space.f_frsize // MEBIBYTE
        small = (
            "" if size >= 256 else "DataLoader workers may die of a bus error: start the container with --shm-size=1g"
        )
        yield Finding("shm", WARNING if small else OK, f"{size} MB in /dev/shm", small)


def check_clock(machine: Machine) -> Iterator[Finding]:
    """A clock that is wrong breaks every https connection."""
    now = time.time()
    built = machine.path("/etc/course/course.json").stat().st_mtime
    shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    if not built - 86400 <= now < built + 20 * 365.25 * 86400:
        yield Finding(
            "clock", FAILURE, f"{shown} cannot be right", "set the host's clock, or: sudo date -s '2027-03-01 14:00'"
        )
        return
    chrony = machine.run(["chronyc", "-n", "tracking"], timeout=5)
    synchronised = chrony.status == 0 and "Leap status     : Normal" in chrony.output
    if not synchronised:
        shown_by = machine.run(["timedatectl", "show", "--property=NTPSynchronized", "--value"], timeout=5)
        synchronised = shown_by.status == 0 and shown_by.output.strip() == "yes"
    if synchronised:
        yield Finding("clock", OK, f"{shown}, synchronised")
    else:
        remedy = "fine offline and in a container (its host keeps the clock); otherwise restart the machine"
        yield Finding("clock", WARNING, f"{shown}, not synchronised", remedy)


def check_network(machine: Machine) -> Iterator[Finding]:
    """Name service and a connection; the course itself works offline."""
    name = "example.org"  # reserved for such uses (RFC 2606), and its web server answers
    found = machine.run(["getent", "ahostsv4", name], timeout=5)
    if found.status:
        yield Finding(
            "network", WARNING, "no name service", "fine offline; otherwise check the host's network, then restart"
        )
        return
    address = found.output.split()[0]
    code = f"import socket; socket.create_connection(({address!r}, 443), 3).close()"
    if machine.run([sys.executable, "-c", code], timeout=5).status:
        remedy = "fine offline; a captive portal or a proxy may want you to log in on the host first"
        yield Finding("network", WARNING, "names are found, connections fail", remedy)
    else:
        yield Finding("network", OK, "names and connections work")


def check_jupyter(machine: Machine) -> Iterator[Finding]:
    """The access code, and who answers at Jupyter's port."""
    course = load_course(machine)
    try:
        check_gate(machine, course)
        yield Finding(
            "access",
            OK if course.access == "code" else WARNING,
            f"access = {course.access}",
            "" if course.access == "code" else "everybody who reaches the port controls it: classrooms only",
        )
    except CourseError as error:
        reason, _, cure = str(error).partition(": ")
        yield Finding("access", FAILURE, reason, cure)
    status, body = machine.probe(JUPYTER_PORT, "/api")
    try:
        answered = str(json.loads(body)["version"]) if status == 200 else ""
    except (ValueError, TypeError, KeyError):
        answered = ""
    ours = find_version("jupyter_server")
    if not status:
        remedy = "journalctl -u jupyter says why; start it with: sudo systemctl restart jupyter"
        yield Finding("port", FAILURE, f"nobody answers at port {JUPYTER_PORT}", remedy)
    elif not answered or (ours and answered != ours):
        remedy = f"end the program that took the port: sudo ss -ltnp 'sport = :{JUPYTER_PORT}'"
        yield Finding("port", FAILURE, f"port {JUPYTER_PORT} is answered by something else", remedy)
    else:
        yield Finding("port", OK, f"Jupyter {answered} answers at port {JUPYTER_PORT}")


def check_versions(machine: Machine) -> Iterator[Finding]:
    """The packages the course is made with."""
    for package in ("torch", "torchvision", "jupyterlab", "numpy"):
        version = find_version(package)
        remedy = (
            "" if version else f"use the course's own Python (which python3), or import the machine anew: no {package}"
        )
        yield Finding(package, OK if version else FAILURE, version or "not installed", remedy)


def check_torch(machine: Machine) -> Iterator[Finding]:
    """That torch really computes, in a process of its own (an unsuitable CPU kills it), and which GPU it sees."""
    code = (
        "import torch; a = torch.ones(64, 64); assert (a @ a).sum().item() == 64.0 ** 3;"
        "torch.nn.functional.conv2d(torch.ones(2, 3, 16, 16), torch.ones(4, 3, 3, 3)).sum().item();"
        "print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')"
    )
    done = machine.run([sys.executable, "-c", code], timeout=180)
    last = (done.output.strip().splitlines() or [""])[-1]
    if done.status:
        reasons = {-4: "illegal instruction", -9: "killed, out of memory", -7: "bus error", 124: "no answer in 180 s"}
        remedy = "see the cpu and memory lines above; if those are ok, import the machine anew"
        yield Finding("torch works", FAILURE, reasons.get(done.status, last or f"status {done.status}"), remedy)
        return
    yield Finding("torch works", OK, "a product and a convolution are right")
    if last:
        yield Finding("gpu", OK, last)
    elif machine.path("/dev/nvidia0").exists():
        remedy = "the image needs a newer driver, or the CUDA image instead of the CPU one: nvidia-smi shows the driver"
        yield Finding("gpu", FAILURE, "there is one, but torch cannot use it", remedy)
    elif load_course(machine).product == "cuda":
        yield Finding(
            "gpu", WARNING, "none is visible", "start the container with --gpus all; it runs on the CPU until then"
        )
    else:
        yield Finding("gpu", OK, "none, the CPU is used")


CHECKS: Sequence[Check] = (
    check_cpu,
    check_memory,
    check_disk,
    check_clock,
    check_network,
    check_jupyter,
    check_versions,
    check_torch,
)


def find_version(package: str) -> str:
    """The installed version of `package`, "" when it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def examine(machine: Machine, checks: Sequence[Check] = CHECKS) -> Iterator[Finding]:
    """Run all `checks`; one that cannot look is a finding too, never the end of the others."""
    for check in checks:
        name = check.__name__.removeprefix("check_")
        try:
            yield from check(machine)
        except (CourseError, OSError, ValueError, KeyError, IndexError) as error:
            yield Finding(
                name, WARNING, f"cannot be checked: {error}", "tell your assistants if it was not like this before"
            )


def main() -> None:
    """Entry point of `course-doctor`."""
    parser = argparse.ArgumentParser(
        prog="course-doctor", description="Check this machine; exit 1 if something is broken."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object for a program to read")
    as_json = parser.parse_args().json

    def act() -> int:
        findings = []
        for finding in examine(Machine()):
            findings.append(finding)
            if not as_json:
                print(format_finding(finding), flush=True)
        healthy = all(finding.status != FAILURE for finding in findings)
        if as_json:
            print(json.dumps({"ok": healthy, "checks": [asdict(finding) for finding in findings]}, indent=1))
        return 0 if healthy else 1

    exit_with("course-doctor", act)


def format_finding(finding: Finding) -> str:
    """`finding` as a line, and a second one with its remedy."""
    line = f"{finding.status:<8} {finding.name:<12} {finding.detail}"
    return f"{line}\n{'':<9}{'':<12} -> {finding.remedy}" if finding.remedy else line
