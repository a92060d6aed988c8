"""Why there is, or is not, a GPU to compute on: each reason in one line, with its cure.

Computing on the CPU instead is never an error: what is found here is a warning at most.
"""

import errno
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from course_runtime.doctor.findings import MEBIBYTE, OK, WARNING, Finding
from course_runtime.doctor.nvidia import Cuda, Device, Management, ask_cuda, ask_management
from course_runtime.machine.machine import Machine, load_course
from course_runtime.machine.node import find_node

DRIVER_BRANCHES = {11: 450, 12: 525, 13: 580}
"""The first driver that serves a CUDA of that major version, and with it every minor one."""

ASK_FOR_ONE = (
    "start the container with --gpus all (Podman: --device nvidia.com/gpu=all, Apptainer: --nv, Kubernetes: a limit of"
    " nvidia.com/gpu); if docker then cannot select a device driver, install nvidia-container-toolkit on the host"
)

# What cuInit returns (CUresult in cuda.h), and what to do; 100, no device, has several reasons and is explained below.
CUDA_ERRORS = {
    2: ("no memory is left for CUDA's driver", "lift the limit on the address space: ulimit -v unlimited"),
    34: ("libcuda.so.1 is a stub, not the driver's library", "take the folder of stubs out of LD_LIBRARY_PATH"),
    802: (
        "the GPUs are not ready",
        "start the fabric manager on the host, in the version of the driver: systemctl restart nvidia-fabricmanager",
    ),
    803: (
        "the driver's library and its kernel module have different versions",
        "the host's driver was updated: restart the host, then the container",
    ),
    804: (
        "a CUDA compatibility library is loaded that this GPU cannot use",
        "take the folder of cuda-compat out of LD_LIBRARY_PATH",
    ),
    999: (
        "CUDA's driver fails and does not know why",
        "on the host, see whether nvidia-smi works and run: sudo nvidia-modprobe -u; then restart the container",
    ),
}


@dataclass(frozen=True)
class Trouble:
    """Why no GPU can be used, and the cure."""

    reason: str
    cure: str


@dataclass(frozen=True)
class Torch:
    """What the image's torch was built for: the version of CUDA ("" for the CPU), and its list of architectures."""

    cuda: str
    architectures: tuple[str, ...]

    @property
    def driver(self) -> int:
        """The driver that its CUDA wants at least."""
        major = int(self.cuda.partition(".")[0] or 0)
        return DRIVER_BRANCHES.get(major, max(DRIVER_BRANCHES.values()))


def check_gpu(
    machine: Machine,
    environ: Mapping[str, str] = os.environ,
    cuda: Callable[[], Cuda] = ask_cuda,
    management: Callable[[], Management] = ask_management,
) -> Iterator[Finding]:
    """Say which GPU torch will compute on, or why on none."""
    if load_course(machine).product == "cpu":
        wish = "the course's cuda image, started with --gpus all, can use the host's GPU"
        yield Finding("gpu", OK, "none: this is the CPU image", wish if read_kernel_driver(machine) else "")
        return
    torch, answer, more = load_torch(machine), cuda(), management()
    driver = more.driver or read_kernel_driver(machine)
    if trouble := find_trouble(machine, environ, torch, answer, more, driver):
        yield Finding("gpu", WARNING, f"none to compute on, the CPU is used: {trouble.reason}", trouble.cure)
    else:
        yield describe(answer, torch, driver)


def explain_gpu(machine: Machine) -> str:
    """Return why torch can use no GPU, and the cure; "" where the course's image expects none or knows no reason."""
    if load_course(machine).product == "cpu":
        return ""
    torch, answer, more = load_torch(machine), ask_cuda(), ask_management()
    trouble = find_trouble(machine, os.environ, torch, answer, more, more.driver or read_kernel_driver(machine))
    return f"{trouble.reason}: {trouble.cure}" if trouble else ""


def find_trouble(
    machine: Machine, environ: Mapping[str, str], torch: Torch, answer: Cuda, more: Management, driver: str
) -> Trouble | None:
    """Return why torch can use no GPU, None when it can use one."""
    if answer.devices:
        return explain_version(answer, torch, driver) or explain_architecture(answer.devices, torch)
    # What CUDA itself says comes last: it has one number for many reasons.
    return (
        explain_devices(machine, environ, torch)
        or explain_library(answer, environ)
        or explain_rights(machine)
        or explain_status(answer, environ, more)
    )


def check_shm(machine: Machine) -> Iterator[Finding]:
    """Look at shared memory, in which the workers of a DataLoader hand over their batches; docker gives 64 MB."""
    space = os.statvfs(machine.path("/dev/shm"))
    size = space.f_blocks * space.f_frsize // MEBIBYTE
    if find_node(os.environ):
        how = "use DataLoader(..., num_workers=0), and ask the cluster's administrator for a larger /dev/shm"
    else:
        how = "start the container with --shm-size=2g (Kubernetes: an emptyDir of medium Memory at /dev/shm)"
    cure = f"workers of a DataLoader may die of a bus error: {how}"
    yield Finding("shm", OK if size >= 1024 else WARNING, f"{size} MB in /dev/shm", "" if size >= 1024 else cure)


def load_torch(machine: Machine) -> Torch:
    """Read /etc/course/torch.json, written when the image was built; raise OSError, ValueError or KeyError."""
    values = json.loads(machine.path("/etc/course/torch.json").read_bytes())
    return Torch(values["cuda"] or "", tuple(values["architectures"]))


def read_kernel_driver(machine: Machine) -> str:
    """Return the version of the host's loaded driver, which every container can read; "" without one."""
    try:
        text = machine.path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return ""
    found = re.search(r"\b\d{3,}\.\d+(\.\d+)?\b", text)
    return found.group() if found else "of unknown version"


def explain_devices(machine: Machine, environ: Mapping[str, str], torch: Torch) -> Trouble | None:
    """Say why no GPU was handed to the container; None for one (/dev/nvidia0, or /dev/dxg under Windows)."""
    if list_devices(machine) or machine.path("/dev/dxg").exists():
        return None
    asked = environ.get("NVIDIA_VISIBLE_DEVICES")
    if asked in ("void", "none"):
        return Trouble(f"NVIDIA_VISIBLE_DEVICES={asked} asks for none", f"leave that variable alone and {ASK_FOR_ONE}")
    if driver := read_kernel_driver(machine):
        return Trouble(f"the host has NVIDIA's driver {driver}, but no GPU was handed to this container", ASK_FOR_ONE)
    if "microsoft" in read_text(machine.path("/proc/sys/kernel/osrelease")).lower():
        windows = f"start the container with --gpus all; Windows needs NVIDIA's driver {torch.driver} or newer"
        return Trouble("no GPU was handed to this container", windows)
    install = f"install NVIDIA's driver {torch.driver} or newer and nvidia-container-toolkit on the host"
    if has_nvidia_card(machine):
        return Trouble("the host has an NVIDIA card, but its driver is not loaded", install)
    return Trouble("the host has no NVIDIA driver", f"where there is an NVIDIA GPU, {install}; then --gpus all")


def list_devices(machine: Machine) -> list[Path]:
    """Return the device files of the GPUs."""
    return sorted(machine.path("/dev").glob("nvidia[0-9]*"))


def has_nvidia_card(machine: Machine) -> bool:
    """Return whether a display or compute device of NVIDIA is on the host's PCI bus."""
    cards = machine.path("/sys/bus/pci/devices").glob("*")
    return any(
        read_text(card / "vendor").strip() == "0x10de" and read_text(card / "class").startswith("0x03")
        for card in cards
    )


def explain_rights(machine: Machine) -> Trouble | None:
    """Say why this user cannot open the device files, or which is missing; None when all is well."""
    devices = list_devices(machine)
    if not devices:
        return None
    group = devices[0].stat().st_gid
    if not any(os.access(device, os.R_OK | os.W_OK) for device in devices):
        cure = f"start the container with --group-add {group}, or on the host: sudo chmod a+rw /dev/nvidia*"
        return Trouble(f"user {os.geteuid()} may not use /dev/{devices[0].name}", cure)
    for name in ("nvidiactl", "nvidia-uvm"):
        try:
            os.close(os.open(machine.path(f"/dev/{name}"), os.O_RDWR | os.O_CLOEXEC))
        except FileNotFoundError:
            cure = "on the host: sudo nvidia-modprobe -u -c=0; then start the container with --gpus all"
            return Trouble(f"/dev/{name} is missing in this container", cure)
        except OSError as error:
            # Not the file's mode but the control group of the container, from which the host dropped the device.
            if error.errno == errno.EPERM:
                cure = "restart the container; if it happens again, update the host's nvidia-container-toolkit"
                return Trouble("the host took away this container's right to the GPU", cure)
    return None


def explain_library(answer: Cuda, environ: Mapping[str, str]) -> Trouble | None:
    """Say why the driver's library, which the host lends along with the device, is missing; None when it is not."""
    if not answer.missing:
        return None
    if "cannot open shared object file" not in answer.missing:
        cure = "the host's driver does not fit this image: reinstall it, or tell your assistants"
        return Trouble(f"libcuda.so.1 cannot be loaded ({answer.missing})", cure)
    wanted = environ.get("NVIDIA_DRIVER_CAPABILITIES", "")
    if wanted and not {"compute", "all"} & set(wanted.split(",")):
        cure = "start the container with -e NVIDIA_DRIVER_CAPABILITIES=compute,utility"
        return Trouble(f"NVIDIA_DRIVER_CAPABILITIES={wanted} leaves out the driver's library", cure)
    cure = "install nvidia-container-toolkit on the host and start with --gpus all, which mounts it; --device does not"
    return Trouble("a GPU is here, but the driver's library libcuda.so.1 is not", cure)


def explain_status(answer: Cuda, environ: Mapping[str, str], more: Management) -> Trouble:
    """Say why the driver has no device to offer."""
    if answer.status not in (0, 100):
        other = ("CUDA's driver fails", "see whether nvidia-smi works on the host, and what dmesg says there")
        reason, cure = CUDA_ERRORS.get(answer.status, other)
        return Trouble(f"{reason} (CUDA error {answer.status})", cure)
    chosen = environ.get("CUDA_VISIBLE_DEVICES")
    if more.mig_without_instance:
        cure = "ask for one by name (nvidia-smi -L on the host lists them); an administrator makes them: nvidia-smi mig"
        return Trouble("the GPU is cut into MIG slices and none was handed to this container", cure)
    if chosen is not None:
        return Trouble(f"CUDA_VISIBLE_DEVICES={chosen!r} hides every GPU", "unset it, or set it to 0 for the first one")
    return Trouble("CUDA's driver finds no device (CUDA error 100)", "see whether nvidia-smi works on the host")


def explain_version(answer: Cuda, torch: Torch, driver: str) -> Trouble | None:
    """Say that the driver is too old, else None; it serves every minor version of a CUDA whose major it serves."""
    major = int(torch.cuda.partition(".")[0] or 0)
    if answer.version // 1000 >= major:
        return None
    served = f"{answer.version // 1000}.{answer.version % 1000 // 10}"
    return Trouble(
        f"driver {driver or 'of unknown version'} serves CUDA {served} at most, this torch needs CUDA {torch.cuda}",
        f"update the host's driver to {torch.driver} or newer, or use an image for CUDA {answer.version // 1000}",
    )


def explain_architecture(devices: tuple[Device, ...], torch: Torch) -> Trouble | None:
    """Say that torch has code for none of the devices; None when it has code for one."""
    if any(is_served(device.capability, torch.architectures) for device in devices):
        return None
    major, minor = devices[0].capability
    return Trouble(
        f"this torch has no code for {devices[0].name} (sm_{major}{minor}), only for {' '.join(torch.architectures)}",
        "set CUDA_VISIBLE_DEVICES= (empty) so that torch does not try, or use an image whose torch still has it",
    )


def is_served(capability: tuple[int, int], architectures: tuple[str, ...]) -> bool:
    """Return whether code for one of `architectures` runs on a device: "application compatibility" in CUDA's guide."""
    for name in architectures:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", name)
        if not found:
            continue
        kind, suffix, built = found[1], found[4], (int(found[2]), int(found[3]))
        same_family = capability[0] == built[0] and capability >= built
        later = capability >= built and kind == "compute"  # PTX, which the driver compiles for what came after
        if capability == built or (suffix != "a" and same_family) or (not suffix and later):
            return True
    return False


def describe(answer: Cuda, torch: Torch, driver: str) -> Finding:
    """Return the devices that can be used; a warning when torch has no code for some of them."""
    shown, unserved = [], []
    for number, device in enumerate(answer.devices):
        kind = "MIG slice " if " MIG " in device.name else ""
        shown.append(f"{kind}{device.name}, {device.memory / 2**30:.3g} GiB")
        if not is_served(device.capability, torch.architectures):
            unserved.append(str(number))
    counts = {name: shown.count(name) for name in shown}
    names = "; ".join(name if count == 1 else f"{count} x {name}" for name, count in counts.items())
    served = f"{answer.version // 1000}.{answer.version % 1000 // 10}"
    detail = f"{names}; driver {driver or 'of unknown version'}, CUDA {torch.cuda} (the driver serves {served})"
    if not unserved:
        return Finding("gpu", OK, detail)
    usable = ",".join(str(number) for number in range(len(answer.devices)) if str(number) not in unserved)
    cure = f"this torch has no code for number {', '.join(unserved)}: set CUDA_VISIBLE_DEVICES={usable}"
    return Finding("gpu", WARNING, detail, cure)


def read_text(path: Path) -> str:
    """Return the text of a file, "" when it cannot be read."""
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
