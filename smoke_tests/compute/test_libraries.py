"""The compiled libraries of torch and torchvision find all they are linked with, and nothing else's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at ELF libraries and /proc, which are Linux's")

DRIVER = {"libcuda.so.1", "libnvidia-ml.so.1"}  # come with the driver: from the host, and only where there is a GPU
CUDA = re.compile(r"lib(cudnn|cublas|cudart|cufft|cusparse|cusolver|curand|nccl|nvrtc|nvjitlink)", re.IGNORECASE)
PACKAGES = Path(torch.__file__).parents[1]


def list_libraries(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.so*") if path.is_file())


def list_loaded() -> list[Path]:
    """Return the libraries in this process, with all that `import torch` and `import torchvision` load."""
    return sorted(map(Path, set(re.findall(r"/.*", Path("/proc/self/maps").read_text()))))


def find_missing(library: Path) -> set[str]:
    """Return what `library` is linked with and the loader does not find without a hint from outside."""
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    done = subprocess.run(["ldd", library], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{library}: {done.stderr}"
    return set(re.findall(r"^\s*(\S+) => not found", done.stdout, re.MULTILINE))


def test_all_libraries_are_found_but_those_of_the_driver() -> None:
    if not shutil.which("ldd"):
        pytest.skip("there is no ldd on this machine")
    libraries = list_libraries(*(Path(package.__file__).parent for package in (torch, torchvision)))
    assert PACKAGES / "torch/lib/libtorch_cpu.so" in libraries
    # torchvision's extensions name torch's libraries without a place: they find those which torch has loaded.
    there = DRIVER | {path.name for path in list_loaded()}
    missing = {str(path): find_missing(path) - there for path in libraries}
    assert {name: libraries for name, libraries in missing.items() if libraries} == {}


def test_cuda_comes_from_the_packages_beside_torch_and_in_one_version() -> None:
    """Another CUDA, of the host by LD_LIBRARY_PATH or a second one in the image, mixed with torch's own crashes it."""
    if not torch.version.cuda:
        pytest.skip(f"torch {torch.__version__} is a build for the CPU")
    if not (PACKAGES / "nvidia").is_dir():
        pytest.skip("torch was not installed from wheels: CUDA comes from elsewhere")
    loaded = [path for path in list_loaded() if CUDA.match(path.name)]
    assert any(path.name.startswith("libcudnn.so") for path in loaded)
    folders = (PACKAGES / name for name in ("torch", "nvidia", "torchvision.libs"))
    own = {path.resolve() for path in list_libraries(*folders)}
    assert [str(path) for path in loaded if path not in own] == [], "not torch's own: unset LD_LIBRARY_PATH"
    assert len({path.name for path in loaded}) == len(loaded)
