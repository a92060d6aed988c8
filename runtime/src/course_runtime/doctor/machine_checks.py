"""What `course-doctor` looks at in a machine of one's own: the appliance, booted in VirtualBox."""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence

from course_runtime.doctor.observations import FAILURE, MEBIBYTE, OK, WARNING, Check, Observation, find_version
from course_runtime.machine.access_code import check_gate
from course_runtime.machine.console import measure_disk
from course_runtime.machine.machine import JUPYTER_PORT, CourseError, Machine, load_course

ANEW = "import the machine (pull the image) anew"


def check_cpu(machine: Machine) -> Iterator[Observation]:
    """Look for AVX2 and FMA, which torch's fast kernels use; a hypervisor may hide them."""
    lines = machine.path("/proc/cpuinfo").read_text().splitlines()
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), None)
    count = sum(line.startswith("processor") for line in lines)
    missing = [] if flags is None else [name for name in ("AVX2", "FMA") if name.lower() not in flags]
    if not missing:
        yield Observation("cpu", OK, f"{count} processors" + (", with AVX2 and FMA" if flags else ""))
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
    yield Observation("cpu", WARNING, f"{count} processors, without {' and '.join(missing)}", remedy)


def check_memory(machine: Machine) -> Iterator[Observation]:
    """Look at main memory and swap; 4 GB is what the course's machine is made with."""
    lines = machine.path("/proc/meminfo").read_text().splitlines()
    mebibytes = {line.split(":")[0]: int(line.split()[1]) >> 10 for line in lines if line.endswith("kB")}
    total, free, swap = mebibytes["MemTotal"], mebibytes["MemAvailable"], mebibytes.get("SwapTotal", 0)
    detail = f"{free} of {total} MB free"
    if total < 1500:
        yield Observation("memory", FAILURE, detail, "give the virtual machine at least 4096 MB: Settings > System")
    elif free < total // 10:
        yield Observation(
            "memory", WARNING, detail, "shut down kernels you do not need: JupyterLab, Running Terminals and Kernels"
        )
    else:
        yield Observation("memory", OK, detail)
    if swap:
        yield Observation("swap", OK, f"{swap} MB")
    else:
        yield Observation(
            "swap",
            WARNING,
            "none",
            "a kernel that needs too much memory dies sooner; swap comes when JupyterLab is ready: wait for that,"
            " or restart the machine",
        )


def check_disk(machine: Machine) -> Iterator[Observation]:
    """Look at the space on the disk, and in /dev/shm, which torch's DataLoader workers share."""
    disk = os.statvfs(machine.path("/"))
    free, used = disk.f_bavail * disk.f_frsize // MEBIBYTE, measure_disk(machine.path("/"))
    detail = f"{free} MB free, {used} % used"
    status = FAILURE if free < 200 else WARNING if used > 90 else OK
    remedy = "delete files you do not need: du -xh ~ | sort -h | tail shows the largest"
    yield Observation("disk", status, detail, "" if status == OK else remedy)
    shared = machine.path("/dev/shm")
    if shared.is_dir():
        space = os.statvfs(shared)
        size = space.f_blocks * space.f_frsize // MEBIBYTE
        small = (
            "" if size >= 256 else "DataLoader workers may die of a bus error: start the container with --shm-size=2g"
        )
        yield Observation("shm", WARNING if small else OK, f"{size} MB in /dev/shm", small)


def check_clock(machine: Machine) -> Iterator[Observation]:
    """Look at the clock: a wrong one breaks every https connection."""
    now = time.time()
    built = machine.path("/etc/course/course.json").stat().st_mtime
    shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    if not built - 86400 <= now < built + 20 * 365.25 * 86400:
        yield Observation(
            "clock", FAILURE, f"{shown} cannot be right", "set the host's clock, or: sudo date -s '2027-03-01 14:00'"
        )
        return
    chrony = machine.run(["chronyc", "-n", "tracking"], timeout=5)
    synchronised = chrony.status == 0 and "Leap status     : Normal" in chrony.output
    if not synchronised:
        shown_by = machine.run(["timedatectl", "show", "--property=NTPSynchronized", "--value"], timeout=5)
        synchronised = shown_by.status == 0 and shown_by.output.strip() == "yes"
    if synchronised:
        yield Observation("clock", OK, f"{shown}, synchronised")
    elif find_network_trouble(machine):
        remedy = "fine offline: the machine took the host's time when it started"
        yield Observation("clock", WARNING, f"{shown}, not synchronised", remedy)
    else:
        remedy = (
            "wait a minute; if this stays, the network lets no time server through (UDP port 123):"
            " set the host's clock, then restart the machine"
        )
        yield Observation("clock", WARNING, f"{shown}, not synchronised though the network is there", remedy)


def check_network(machine: Machine) -> Iterator[Observation]:
    """Try the name service and a connection; the course itself works offline."""
    trouble = find_network_trouble(machine)
    yield trouble or Observation("network", OK, "names and connections work")


def find_network_trouble(machine: Machine) -> Observation | None:
    """Return what keeps this machine from the network, None when it is there."""
    name = "example.org"  # reserved for such uses (RFC 2606), and its web server answers
    found = machine.run(["getent", "ahostsv4", name], timeout=5)
    if found.status:
        remedy = "fine offline; otherwise check the host's network, then restart"
        return Observation("network", WARNING, "no name service", remedy)
    address = found.output.split()[0]
    code = f"import socket; socket.create_connection(({address!r}, 443), 3).close()"
    if machine.run([sys.executable, "-c", code], timeout=5).status:
        remedy = "fine offline; a captive portal or a proxy may want you to log in on the host first"
        return Observation("network", WARNING, "names are found, connections fail", remedy)
    return None


def check_jupyter(machine: Machine) -> Iterator[Observation]:
    """Look at the access code, and at who answers at Jupyter's port."""
    course = load_course(machine)
    try:
        check_gate(machine, course)
        yield Observation(
            "access",
            OK if course.access == "code" else WARNING,
            f"access = {course.access}",
            "" if course.access == "code" else "everybody who reaches the port controls it: classrooms only",
        )
    except CourseError as error:
        yield Observation("access", FAILURE, error.reason, error.cure)
    status, body = machine.probe(JUPYTER_PORT, "/api")
    try:
        answered = str(json.loads(body)["version"]) if status == 200 else ""
    except (ValueError, TypeError, KeyError):
        answered = ""
    ours = find_version("jupyter_server")
    if not status:
        remedy = "journalctl -u jupyter says why; start it with: sudo systemctl restart jupyter"
        yield Observation("port", FAILURE, f"nobody answers at port {JUPYTER_PORT}", remedy)
    elif not answered or (ours and answered != ours):
        remedy = f"end the program that took the port: sudo ss -ltnp 'sport = :{JUPYTER_PORT}'"
        yield Observation("port", FAILURE, f"port {JUPYTER_PORT} is answered by something else", remedy)
    else:
        yield Observation("port", OK, f"Jupyter {answered} answers at port {JUPYTER_PORT}")


def check_versions(machine: Machine) -> Iterator[Observation]:
    """Look at the packages the course is made with."""
    for package in ("torch", "torchvision", "jupyterlab", "numpy"):
        version = find_version(package)
        remedy = "" if version else f"use the course's own Python (which python3), or {ANEW}: no {package}"
        yield Observation(package, OK if version else FAILURE, version or "not installed", remedy)


def check_torch(machine: Machine) -> Iterator[Observation]:
    """Look whether torch really computes, and which GPU it sees."""
    works, device = try_torch(machine)
    yield works
    if works.status != OK:
        return
    if device:
        yield Observation("gpu", OK, device)
    elif machine.path("/dev/nvidia0").exists():
        remedy = "the image needs a newer driver, or the CUDA image instead of the CPU one: nvidia-smi shows the driver"
        yield Observation("gpu", FAILURE, "there is one, but torch cannot use it", remedy)
    else:
        yield Observation("gpu", OK, "none, the CPU is used")


def try_torch(machine: Machine) -> tuple[Observation, str]:
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
        remedy = f"see the cpu and memory lines above; if those are ok, {ANEW}"
        detail = reasons.get(done.status, last or f"status {done.status}")
        return Observation("torch works", FAILURE, detail, remedy), ""
    return Observation("torch works", OK, "a product and a convolution are right"), last.partition("gpu:")[2].strip()


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
