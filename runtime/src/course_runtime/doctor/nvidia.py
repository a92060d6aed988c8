"""Questions to NVIDIA's own libraries, which the host lends to a container; torch is not needed for them."""

import ctypes
from collections.abc import Callable
from ctypes import byref, c_char, c_int, c_size_t, c_uint, c_void_p, create_string_buffer
from dataclasses import dataclass
from typing import Any

Loader = Callable[[str], Any]  # as ctypes.CDLL: name of a library -> its functions; raises OSError

# Attributes of cuDeviceGetAttribute (cuda.h).
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76


@dataclass(frozen=True)
class Device:
    """A GPU, or the slice of one that MIG made, as CUDA numbers them."""

    name: str
    memory: int  # bytes
    capability: tuple[int, int]


@dataclass(frozen=True)
class Cuda:
    """What the CUDA driver answered: `missing` says why its library cannot be loaded, `status` is a CUresult."""

    missing: str = ""
    status: int = 0
    version: int = 0  # the newest CUDA it serves, 13000 for 13.0
    devices: tuple[Device, ...] = ()


@dataclass(frozen=True)
class Management:
    """What the management library (the one of nvidia-smi) answered; empty where it does not."""

    driver: str = ""
    mig_without_instance: bool = False


class Failed(Exception):
    """A call of a library did not succeed; `status` is what it returned."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def call(function: Any, *arguments: object) -> None:
    """Call a function that returns 0 for success; raise Failed."""
    status = int(function(*arguments))
    if status:
        raise Failed(status)


def ask_cuda(load: Loader = ctypes.CDLL) -> Cuda:
    """Ask the CUDA driver for its version and its devices."""
    try:
        library = load("libcuda.so.1")
    except OSError as error:
        return Cuda(missing=str(error))
    version, count = c_int(), c_int()
    try:
        call(library.cuDriverGetVersion, byref(version))
        call(library.cuInit, c_uint(0))
        call(library.cuDeviceGetCount, byref(count))
        devices = tuple(ask_device(library, number) for number in range(count.value))
    except Failed as failed:
        return Cuda(status=failed.status, version=version.value)
    except AttributeError as error:
        return Cuda(missing=str(error))
    return Cuda(version=version.value, devices=devices)


def ask_device(library: Any, number: int) -> Device:
    """Return name, memory and compute capability of one device; raise Failed."""
    handle, memory, name = c_int(), c_size_t(), create_string_buffer(256)
    call(library.cuDeviceGet, byref(handle), c_int(number))
    call(library.cuDeviceGetName, name, c_int(len(name)), handle)
    call(library.cuDeviceTotalMem_v2, byref(memory), handle)
    capability = []
    for attribute in (CAPABILITY_MAJOR, CAPABILITY_MINOR):
        value = c_int()
        call(library.cuDeviceGetAttribute, byref(value), c_int(attribute), handle)
        capability.append(value.value)
    return Device(decode(name), memory.value, (capability[0], capability[1]))


def ask_management(load: Loader = ctypes.CDLL) -> Management:
    """Ask the management library what CUDA does not tell; whatever it does not know is left empty."""
    try:
        library = load("libnvidia-ml.so.1")
        call(library.nvmlInit_v2)
    except (OSError, AttributeError, Failed):
        return Management()
    try:
        return Management(ask_driver(library), has_mig_without_instance(library))
    finally:
        library.nvmlShutdown()


def ask_driver(library: Any) -> str:
    """Return the driver's version, "580.65.06"."""
    version = create_string_buffer(80)
    try:
        call(library.nvmlSystemGetDriverVersion, version, c_uint(len(version)))
    except (AttributeError, Failed):
        return ""
    return decode(version)


def has_mig_without_instance(library: Any) -> bool:
    """Return whether a GPU is cut into slices and none of them was given to this container."""
    count, is_cut = c_uint(), False
    try:
        call(library.nvmlDeviceGetCount_v2, byref(count))
        for number in range(count.value):
            device, current, pending, slices = c_void_p(), c_uint(), c_uint(), c_uint()
            call(library.nvmlDeviceGetHandleByIndex_v2, c_uint(number), byref(device))
            # Not every GPU can be cut: such a one says "not supported".
            if library.nvmlDeviceGetMigMode(device, byref(current), byref(pending)) or not current.value:
                continue
            is_cut = True
            call(library.nvmlDeviceGetMaxMigDeviceCount, device, byref(slices))
            for place in range(slices.value):
                instance = c_void_p()
                if library.nvmlDeviceGetMigDeviceHandleByIndex(device, c_uint(place), byref(instance)) == 0:
                    return False
    except (AttributeError, Failed):
        return False
    return is_cut


def decode(text: "ctypes.Array[c_char]") -> str:
    """Return the text in a C buffer."""
    return text.value.decode("utf-8", "replace")
