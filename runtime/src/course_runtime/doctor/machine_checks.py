"""What `course-doctor` looks at in a machine of one's own: the appliance, booted in VirtualBox."""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from course_runtime.doctor.findings import FAILURE, MEBIBYTE, OK, WARNING, Check, Finding, find_version
from course_runtime.doctor.prologue_check import check_prologue
from course_runtime.machine.access_code import check_gate
from course_runtime.machine.console import measure_disk
from course_runtime.machine.machine import JUPYTER_PORT, CourseError, Machine, load_course

ANEW = "import the machine (pull the image) anew"
PACKAGES = ("torch", "torchvision", "jupyterlab", "numpy")


def check_cpu(machine: Machine) -> Iterator[Finding]:
    """Look for AVX2 and FMA, which torch's fast kernels use; a hypervisor may hide them."""
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
    cures = {
        "VirtualBox": "on Windows turn off Hyper-V and Memory integrity (a turtle in VirtualBox's window says they are"
        " on), then restart the host; a processor from before 2013 has none",
        "Virtual Machine": "Hyper-V: turn off 'Migrate to a physical computer with a different processor version'",
    }
    cure = cures.get(hypervisor, "let the virtual machine use the host's processor type; torch is slow without")
    yield Finding("cpu", WARNING, f"{count} processors, without {' and '.join(missing)}", cure)


def check_memory(machine: Machine) -> Iterator[Finding]:
    """Look at main memory and swap; 4 GB is what the course's machine is made with."""
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
            "a kernel that needs too much memory dies sooner; swap comes when JupyterLab is ready: wait for that,"
            " or restart the machine",
        )


def check_disk(machine: Machine) -> Iterator[Finding]:
    """Look at the space on the disk, and in /dev/shm, which torch's DataLoader workers share."""
    disk = os.statvfs(machine.path("/"))
    free, used = disk.f_bavail * disk.f_frsize // MEBIBYTE, measure_disk(machine.path("/"))
    detail = f"{free} MB free, {used} % used"
    status = FAILURE if free < 200 else WARNING if used > 90 else OK
    cure = "delete files you do not need: du -xh ~ | sort -h | tail shows the largest"
    yield Finding("disk", status, detail, "" if status == OK else cure)
    shared = machine.path("/dev/shm")
    if shared.is_dir():
        space = os.statvfs(shared)
        size = space.f_blocks * space.f_frsize // MEBIBYTE
        small = (
            "" if size >= 256 else "DataLoader workers may die of a bus error: start the container with --shm-size=2g"
        )
        yield Finding("shm", WARNING if small else OK, f"{size} MB in /dev/shm", small)


def check_clock(machine: Machine) -> Iterator[Finding]:
    """Look at the clock: a wrong one breaks every https connection."""
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
    elif find_network_trouble(machine):
        cure = "fine offline: the machine took the host's time when it started"
        yield Finding("clock", WARNING, f"{shown}, not synchronised", cure)
    else:
        cure = (
            "wait a minute; if this stays, the network lets no time server through (UDP port 123):"
            " set the host's clock, then restart the machine"
        )
        yield Finding("clock", WARNING, f"{shown}, not synchronised though the network is there", cure)


def check_network(machine: Machine) -> Iterator[Finding]:
    """Try the name service and a connection; the course itself works offline."""
    trouble = find_network_trouble(machine)
    yield trouble or Finding("network", OK, "names and connections work")


def find_network_trouble(machine: Machine) -> Finding | None:
    """Return what keeps this machine from the network, None when it is there."""
    name = "example.org"  # reserved for such uses (RFC 2606), and its web server answers
    found = machine.run(["getent", "ahostsv4", name], timeout=5)
    if found.status:
        cure = "fine offline; otherwise check the host's network, then restart"
        return Finding("network", WARNING, "no name service", cure)
    address = found.output.split()[0]
    code = f"import socket; socket.create_connection(({address!r}, 443), 3).close()"
    if machine.run([sys.executable, "-c", code], timeout=5).status:
        cure = "fine offline; a captive portal or a proxy may want you to log in on the host first"
        return Finding("network", WARNING, "names are found, connections fail", cure)
    return None


def check_jupyter(machine: Machine) -> Iterator[Finding]:
    """Look at the access code, and at who answers at Jupyter's port."""
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
        yield Finding("access", FAILURE, error.reason, error.cure)
    status, body = machine.probe(JUPYTER_PORT, "/api")
    try:
        answered = str(json.loads(body)["version"]) if status == 200 else ""
    except (ValueError, TypeError, KeyError):
        answered = ""
    ours = find_version("jupyter_server")
    if not status:
        cure = "journalctl -u jupyter says why; start it with: sudo systemctl restart jupyter"
        yield Finding("port", FAILURE, f"nobody answers at port {JUPYTER_PORT}", cure)
    elif not answered or (ours and answered != ours):
        cure = f"end the program that took the port: sudo ss -ltnp 'sport = :{JUPYTER_PORT}'"
        yield Finding("port", FAILURE, f"port {JUPYTER_PORT} is answered by something else", cure)
    else:
        yield Finding("port", OK, f"Jupyter {answered} answers at port {JUPYTER_PORT}")


def list_expected(machine: Machine) -> list[str]:
    """Return which of PACKAGES this product was built with: all, where it does not say."""
    try:
        built = json.loads(machine.path("/opt/course/versions.json").read_bytes())
    except (OSError, ValueError):
        return [*PACKAGES]
    return [package for package in PACKAGES if package in built]


def check_versions(machine: Machine) -> Iterator[Finding]:
    """Look at the packages the course is made with."""
    for package in list_expected(machine):
        version = find_version(package)
        cure = "" if version else f"use the course's own Python (which python3), or {ANEW}: no {package}"
        yield Finding(package, OK if version else FAILURE, version or "not installed", cure)


def check_torch(machine: Machine) -> Iterator[Finding]:
    """Look whether torch really computes, and which GPU it sees."""
    works, device = try_torch(machine)
    yield works
    if works.status != OK:
        return
    if device:
        yield Finding("gpu", OK, device)
    elif machine.path("/dev/nvidia0").exists():
        cure = "the image needs a newer driver, or the CUDA image instead of the CPU one: nvidia-smi shows the driver"
        yield Finding("gpu", FAILURE, "there is one, but torch cannot use it", cure)
    else:
        yield Finding("gpu", OK, "none, the CPU is used")


def try_torch(machine: Machine) -> tuple[Finding, str]:
    """Compute with torch in a process of its own, which an unsuitable CPU kills; also its GPU's name, "" for none."""
    code = (
        "import torch; a = torch.ones(64, 64); assert (a @ a).sum().item() == 64.0 ** 3;"
        "torch.nn.functional.conv2d(torch.ones(2, 3, 16, 16), torch.ones(4, 3, 3, 3)).sum().item();"
        # Marked, because torch may print warnings, too.
        "print('gpu:', torch.cuda.get_device_name() if torch.cuda.is_available() else '')"
    )
    done = machine.run([sys.executable, "-c", code], timeout=180)
    last = (done.output.strip().splitlines() or [""])[-1]
    if done.status:
        reasons = {-4: "illegal instruction", -9: "killed, out of memory", -7: "bus error", 124: "no answer in 180 s"}
        cure = f"see the cpu and memory lines above; if those are ok, {ANEW}"
        detail = reasons.get(done.status, last or f"status {done.status}")
        return Finding("torch works", FAILURE, detail, cure), ""
    return Finding("torch works", OK, "a product and a convolution are right"), last.partition("gpu:")[2].strip()


def check_kernel(machine: Machine) -> Iterator[Finding]:
    """Look for another Python's kernel with the name of the course's own: `ipykernel install --user` leaves such."""
    folder = Path(os.environ.get("HOME", "/")) / ".local/share/jupyter/kernels/python3"
    if (folder / "kernel.json").exists():
        cure = f"nothing, unless you start Jupyter yourself: then rm -r {folder}"
        yield Finding("kernel", OK, f"{folder} is another Python's; JupyterLab takes the course's", cure)


CHECKS: Sequence[Check] = (
    check_cpu,
    check_memory,
    check_disk,
    check_clock,
    check_network,
    check_jupyter,
    check_versions,
    check_prologue,
    check_kernel,
    check_torch,
)
