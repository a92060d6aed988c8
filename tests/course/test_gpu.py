"""Why there is a GPU, or none: every reason is told apart, with its cure."""

import ctypes
import json
import os
import shutil
import subprocess
from collections import namedtuple
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from course_runtime.doctor import gpu, nvidia
from course_runtime.doctor.findings import OK, WARNING, Finding
from course_runtime.doctor.nvidia import Cuda, Device, Management
from fake_machine import Fixture, make_machine

TORCH = {
    "torch": "2.13.0",
    "cuda": "13.0",
    "architectures": ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"],
}
H100 = Device("NVIDIA H100 80GB HBM3", 85_024_112_640, (9, 0))
V100 = Device("Tesla V100-SXM2-32GB", 34_072_559_616, (7, 0))
SLICE = Device("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 5_100_273_664, (8, 0))
NO_LIBRARY = Cuda(missing="libcuda.so.1: cannot open shared object file: No such file or directory")
FINE = Cuda(version=13000, devices=(H100,))
KERNEL_MODULE = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n"
OPEN_MODULE = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs-builder)\n"


@pytest.fixture
def image(tmp_path: Path) -> Fixture:
    """A container of the cuda image without any trace of a GPU."""
    fixture = make_machine(tmp_path / "root", product="cuda")
    for folder in ("dev", "sys/bus/pci/devices", "proc/sys/kernel"):
        fixture.path(folder).mkdir(parents=True)
    fixture.path("/etc/course/torch.json").write_text(json.dumps(TORCH))
    return fixture


@pytest.fixture
def given(image: Fixture) -> Fixture:
    """A container to which docker run --gpus all gave a GPU."""
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm"):
        image.path(f"/dev/{name}").touch()
    load_driver(image)
    return image


def load_driver(image: Fixture, text: str = OPEN_MODULE) -> None:
    path = image.path("/proc/driver/nvidia/version")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def find(
    image: Fixture,
    answer: Cuda = NO_LIBRARY,
    more: Management = Management(),  # noqa: B008  (frozen)
    environ: Mapping[str, str] | None = None,
) -> Finding:
    """What is found, with what every finding has to hold."""
    (finding,) = gpu.check_gpu(image.machine, environ or {}, lambda: answer, lambda: more)
    assert finding.status in (OK, WARNING), "the CPU computes as well: this is never a failure"
    assert "\n" not in finding.detail + finding.cure
    assert finding.cure or finding.status == OK
    return finding


def test_a_gpu_that_works(given: Fixture) -> None:
    finding = find(given, FINE, Management("580.65.06"))
    assert finding == Finding(
        "gpu", OK, "NVIDIA H100 80GB HBM3, 79.2 GiB; driver 580.65.06, CUDA 13.0 (the driver serves 13.0)"
    )


def test_several_that_work(given: Fixture) -> None:
    finding = find(given, replace(FINE, devices=(H100, H100)), Management("580.65.06"))
    assert finding.detail.startswith("2 x NVIDIA H100 80GB HBM3, 79.2 GiB; ")


def test_the_cpu_image_says_so(tmp_path: Path) -> None:
    image = make_machine(tmp_path / "root", product="cpu")
    assert find(image) == Finding("gpu", OK, "none: this is the CPU image")
    load_driver(image)
    assert "cuda image" in find(image).cure


def test_no_driver_on_the_host(image: Fixture) -> None:
    finding = find(image)
    assert "the host has no NVIDIA driver" in finding.detail
    assert "driver 580 or newer" in finding.cure


@pytest.mark.parametrize(("vendor", "kind", "found"), [("0x10de", "0x030200", True), ("0x10de", "0x040300", False)])
def test_a_card_without_its_driver(image: Fixture, vendor: str, kind: str, found: bool) -> None:
    card = image.path("/sys/bus/pci/devices/0000:01:00.0")
    card.mkdir()
    (card / "vendor").write_text(f"{vendor}\n")
    (card / "class").write_text(f"{kind}\n")
    assert ("driver is not loaded" in find(image).detail) is found


@pytest.mark.parametrize(
    ("text", "version"), [(KERNEL_MODULE, "535.183.01"), (OPEN_MODULE, "580.65.06"), ("?", "unknown")]
)
def test_a_forgotten_flag(image: Fixture, text: str, version: str) -> None:
    load_driver(image, text)
    finding = find(image)
    assert version in finding.detail and "no GPU was handed to this container" in finding.detail
    for way in ("--gpus all", "nvidia.com/gpu=all", "--nv", "limit", "nvidia-container-toolkit"):
        assert way in finding.cure


def test_a_forgotten_flag_on_windows(image: Fixture) -> None:
    image.path("/proc/sys/kernel/osrelease").write_text("6.6.87.2-microsoft-standard-WSL2\n")
    finding = find(image)
    assert "no GPU was handed" in finding.detail
    assert "Windows" in finding.cure


@pytest.mark.parametrize("value", ["void", "none"])
def test_a_variable_that_asks_for_none(image: Fixture, value: str) -> None:
    load_driver(image)
    assert f"NVIDIA_VISIBLE_DEVICES={value}" in find(image, environ={"NVIDIA_VISIBLE_DEVICES": value}).detail


def test_a_device_without_the_toolkit(given: Fixture) -> None:
    finding = find(given)
    assert "libcuda.so.1 is not" in finding.detail
    assert "nvidia-container-toolkit" in finding.cure


@pytest.mark.parametrize(
    ("capabilities", "told"),
    [("utility", True), ("graphics,video", True), ("compute,utility", False), ("all", False), ("", False)],
)
def test_capabilities_without_compute(given: Fixture, capabilities: str, told: bool) -> None:
    finding = find(given, environ={"NVIDIA_DRIVER_CAPABILITIES": capabilities})
    assert ("NVIDIA_DRIVER_CAPABILITIES" in finding.cure) is told


def test_a_library_of_another_kind_of_machine(given: Fixture) -> None:
    assert "wrong ELF class" in find(given, Cuda(missing="libcuda.so.1: wrong ELF class: ELFCLASS32")).detail


def test_no_right_to_the_device(given: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    finding = find(given, Cuda(status=100))
    assert "may not use /dev/nvidia0" in finding.detail
    assert f"--group-add {given.path('/dev/nvidia0').stat().st_gid}" in finding.cure


def test_a_right_that_the_host_took_back(given: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr("os.open", refuse)
    finding = find(given, Cuda(status=999))
    assert "took away" in finding.detail
    assert "restart the container" in finding.cure


@pytest.mark.parametrize("name", ["nvidiactl", "nvidia-uvm"])
def test_a_missing_device_file(given: Fixture, name: str) -> None:
    given.path(f"/dev/{name}").unlink()
    assert f"/dev/{name} is missing" in find(given, Cuda(status=999)).detail


def test_a_missing_device_file_that_cuda_does_not_miss(given: Fixture) -> None:
    given.path("/dev/nvidiactl").unlink()
    assert find(given, FINE).status == OK


@pytest.mark.parametrize("value", ["", "-1", "7", "NoDevFiles"])
def test_a_variable_that_hides_every_gpu(given: Fixture, value: str) -> None:
    assert (
        f"CUDA_VISIBLE_DEVICES={value!r} hides"
        in find(given, Cuda(status=100, version=13000), environ={"CUDA_VISIBLE_DEVICES": value}).detail
    )


def test_slices_and_none_for_us(given: Fixture) -> None:
    finding = find(given, Cuda(status=100, version=13000), Management("580.65.06", mig_without_instance=True))
    assert "MIG" in finding.detail and "none was handed" in finding.detail


def test_a_slice_is_named_with_its_memory(given: Fixture) -> None:
    finding = find(given, replace(FINE, devices=(SLICE,)), Management("580.65.06"))
    assert finding.status == OK
    assert "MIG slice NVIDIA A100-SXM4-40GB MIG 1g.5gb, 4.75 GiB" in finding.detail


@pytest.mark.parametrize(
    ("status", "reason", "cure"),
    [
        (2, "no memory", "ulimit"),
        (34, "stub", "LD_LIBRARY_PATH"),
        (100, "no device", "nvidia-smi"),
        (802, "not ready", "fabric"),
        (803, "different versions", "restart the host"),
        (804, "compatibility", "LD_LIBRARY_PATH"),
        (999, "does not know why", "nvidia-modprobe"),
        (4711, "fails", "dmesg"),
    ],
)
def test_what_cuda_itself_says(given: Fixture, status: int, reason: str, cure: str) -> None:
    finding = find(given, Cuda(status=status))
    assert reason in finding.detail and f"CUDA error {status}" in finding.detail
    assert cure in finding.cure


@pytest.mark.parametrize(
    ("built", "served", "branch"),
    [("13.0", 12080, "580"), ("13.2", 12090, "580"), ("12.6", 11080, "525"), ("12.6", 0, "525")],
)
def test_a_driver_that_is_too_old(given: Fixture, built: str, served: int, branch: str) -> None:
    given.path("/etc/course/torch.json").write_text(json.dumps({**TORCH, "cuda": built}))
    finding = find(given, replace(FINE, version=served), Management("535.183.01"))
    assert f"driver 535.183.01 serves CUDA {served // 1000}.{served % 1000 // 10}" in finding.detail
    assert f"needs CUDA {built}" in finding.detail
    assert f"{branch} or newer" in finding.cure


@pytest.mark.parametrize(("built", "served"), [("13.2", 13000), ("13.0", 13020), ("12.6", 12000), ("12.8", 13000)])
def test_minor_versions_of_cuda_do_not_matter(given: Fixture, built: str, served: int) -> None:
    given.path("/etc/course/torch.json").write_text(json.dumps({**TORCH, "cuda": built}))
    assert find(given, replace(FINE, version=served)).status == OK


@pytest.mark.parametrize(
    ("capability", "architectures", "served"),
    [
        ((7, 0), "sm_75 sm_80", False),  # code runs on later minor versions, not on earlier ones
        ((8, 6), "sm_80", True),
        ((8, 9), "sm_75 sm_86", True),
        ((8, 0), "sm_86", False),
        ((9, 0), "sm_80 sm_86", False),  # nor on another major version
        ((12, 0), "sm_90 compute_90", True),  # unless as PTX
        ((8, 0), "compute_90", False),
        ((12, 1), "sm_120", True),
        ((10, 0), "sm_100", True),
        ((9, 0), "sm_90a", True),  # only there
        ((10, 0), "compute_90a", False),
        ((10, 3), "sm_100f", True),  # and in its family
        ((12, 0), "compute_100f", False),
        ((9, 0), "gfx942 what", False),
        ((9, 0), "", False),
    ],
)
def test_architectures(capability: tuple[int, int], architectures: str, served: bool) -> None:
    assert gpu.is_served(capability, tuple(architectures.split())) is served


def test_an_architecture_that_was_dropped(given: Fixture) -> None:
    finding = find(given, replace(FINE, devices=(V100,)))
    assert "Tesla V100-SXM2-32GB (sm_70)" in finding.detail
    assert "sm_75 sm_80 sm_86 sm_90 sm_100 sm_120" in finding.detail
    assert "CUDA_VISIBLE_DEVICES=" in finding.cure


def test_one_of_two_is_too_old(given: Fixture) -> None:
    finding = find(given, replace(FINE, devices=(V100, H100)))
    assert finding.status == WARNING
    assert "number 0: set CUDA_VISIBLE_DEVICES=1" in finding.cure


def test_windows_hands_over_one_device_for_all(image: Fixture) -> None:
    image.path("/dev/dxg").touch()
    assert find(image, FINE, Management("580.65.06")).status == OK
    assert "libcuda.so.1 is not" in find(image).detail


@pytest.mark.parametrize(("megabytes", "status"), [(64, WARNING), (1023, WARNING), (1024, OK), (64000, OK)])
def test_shared_memory(image: Fixture, monkeypatch: pytest.MonkeyPatch, megabytes: int, status: str) -> None:
    disk = namedtuple("disk", "f_blocks f_frsize")
    monkeypatch.setattr("os.statvfs", lambda path: disk(megabytes * 256, 4096))
    (finding,) = gpu.check_shm(image.machine)
    assert (finding.status, finding.detail) == (status, f"{megabytes} MB in /dev/shm")
    assert ("--shm-size=2g" in finding.cure) is (status == WARNING)


# What follows asks real libraries, in C, which answer as NVIDIA's do: the calls themselves are proven, too.

CUDA_LIBRARY = """
#include <stddef.h>
#include <string.h>
static int ready;
int cuDriverGetVersion(int *v) { *v = 13000; return 0; }
int cuInit(unsigned flags) { if (flags) return 1; ready = 1; return INIT; }
int cuDeviceGetCount(int *n) { if (!ready) return 3; *n = 2; return 0; }
int cuDeviceGet(int *d, int i) { *d = 40 + i; return 0; }
int cuDeviceGetName(char *s, int n, int d) {
    if (d < 40 || n < 16) return 101;
    strcpy(s, d == 40 ? "First" : "Second");
    return 0;
}
int cuDeviceTotalMem_v2(size_t *m, int d) { *m = (size_t)80 << 30; return 0; }
int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 75 ? 9 : a == 76 ? d - 40 : -1; return 0; }
"""
MANAGEMENT_LIBRARY = """
#include <string.h>
static int devices[2];
int nvmlInit_v2(void) { return INIT; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *s, unsigned n) { if (n < 10) return 7; strcpy(s, "580.65.06"); return 0; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { *d = &devices[i]; return 0; }
int nvmlDeviceGetMigMode(void *d, unsigned *now, unsigned *then) {
    if (d == &devices[0]) return 3;
    *now = *then = MIG;
    return 0;
}
int nvmlDeviceGetMaxMigDeviceCount(void *d, unsigned *n) { *n = 7; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *d, unsigned i, void **m) { return i == SLICE ? 0 : 6; }
"""


def compile_library(folder: Path, source: str, **macros: int) -> nvidia.Loader:
    """A loader that gives the library made of `source`, whatever name is asked for."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: the calls of NVIDIA's libraries are not tested here")
    (folder / "library.c").write_text(source)
    defined = [f"-D{name}={value}" for name, value in macros.items()]
    target = folder / f"library-{abs(hash((source, *defined)))}.so"
    subprocess.run([compiler, "-shared", "-fPIC", *defined, "-o", target, folder / "library.c"], check=True)
    return lambda name: ctypes.CDLL(os.fspath(target))


def test_asking_cuda(tmp_path: Path) -> None:
    devices = (Device("First", 80 << 30, (9, 0)), Device("Second", 80 << 30, (9, 1)))
    assert nvidia.ask_cuda(compile_library(tmp_path, CUDA_LIBRARY, INIT=0)) == Cuda(version=13000, devices=devices)
    assert nvidia.ask_cuda(compile_library(tmp_path, CUDA_LIBRARY, INIT=803)) == Cuda(status=803, version=13000)


def test_asking_a_library_that_lacks_a_function(tmp_path: Path) -> None:
    answer = nvidia.ask_cuda(compile_library(tmp_path, "int cuInit(unsigned flags) { return 0; }"))
    assert "cuDriverGetVersion" in answer.missing
    assert nvidia.ask_management(compile_library(tmp_path, "int nvmlInit(void) { return 0; }")) == Management()
    half = "int nvmlInit_v2(void) { return 0; } int nvmlShutdown(void) { return 0; }"
    assert nvidia.ask_management(compile_library(tmp_path, half)) == Management()


@pytest.mark.parametrize(("mig", "slice_", "without"), [(0, 9, False), (1, 3, False), (1, 9, True)])
def test_asking_the_management_library(tmp_path: Path, mig: int, slice_: int, without: bool) -> None:
    load = compile_library(tmp_path, MANAGEMENT_LIBRARY, INIT=0, MIG=mig, SLICE=slice_)
    assert nvidia.ask_management(load) == Management("580.65.06", without)


def test_a_management_library_that_does_not_fit_its_driver(tmp_path: Path) -> None:
    assert nvidia.ask_management(compile_library(tmp_path, MANAGEMENT_LIBRARY, INIT=18, MIG=0, SLICE=9)) == Management()


def test_no_library_at_all() -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file: No such file or directory")

    assert nvidia.ask_cuda(missing) == NO_LIBRARY
    assert nvidia.ask_management(missing) == Management()
