"""The Python environment as a squashfs: read-only, and compressed on the student's disk too."""

import os
from collections.abc import Sequence
from pathlib import Path

from practicum.engine.run import run
from practicum.ova import times

PYTHON_PLACE = "opt/venv"
"""Folder of the root tree that the squashfs is mounted on, by its partition's label (ansible's fstab)."""

SQUASH_BLOCK = "256K"
SQUASH_LEVEL = 9
"""Block size and zstd level.

Whenever Linux 6.1 reads a file it first sets a whole block's pages aside, however small the file is. With blocks of
1 MiB each of the 846 small files that JupyterLab reads at its start cost an emulated processor 5.0 ms, and 1.7 ms with
256 KiB.

The Python environment has 368 MB at level 9 and takes 24 CPU seconds; it has 347 MB and takes 150 at level 15, and has
380 MB and takes 15 at level 6.
"""


READ_ORDER = """
import os, sys
from contextlib import suppress
from importlib import import_module

opened = {}
def note(event, arguments):
    path = arguments[0] if event == "open" else arguments[1] if event == "import" else None
    if isinstance(path, str):
        opened.setdefault(os.path.realpath(path))

sys.addaudithook(note)
# A course may do without some of these.
with suppress(ImportError):
    import jupyter_core.paths
    jupyter_core.paths.SYSTEM_CONFIG_PATH.clear()  # it imports the course's commands, which come in a later layer
    from jupyterlab.labapp import LabApp
    LabApp.initialize_server(argv=["--allow-root", "--no-browser", "--ip=127.0.0.1"])
for name in ("ipykernel.kernelapp", "matplotlib.pyplot", "numpy", "torch", "torchvision"):
    with suppress(ImportError):
        import_module(name)
files = [path for path in opened if path.startswith(sys.prefix) and os.path.isfile(path)]
modules = [path for path in files if path.endswith((".pyc", ".so"))]
# Other files are opened in the order of a set, or of a folder: each time in another.
for path in [*modules, *sorted({*files} - {*modules})]:
    print("FILE", os.path.relpath(path, sys.prefix))
"""
"""A program of the environment's Python. It prints "FILE <path below the environment>" for each file that is read while
JupyterLab starts, then a kernel, then torch: in the order in which they are read first."""


def read_order_argv(prefix: str) -> list[str]:
    """Return the command that runs READ_ORDER with the Python of the environment at `prefix`, in a home of its own."""
    return ["env", "HOME=/tmp", f"{prefix}/bin/python", "-B", "-c", READ_ORDER]


def parse_read_order(output: str) -> list[str]:
    """Return the paths of READ_ORDER's output, which programs may have written other lines into."""
    return [line.removeprefix("FILE ") for line in output.splitlines() if line.startswith("FILE ")]


def render_sort_file(first: Sequence[str]) -> str:
    """Return what mksquashfs's -sort reads: the files of `first` come first, in this order."""
    return "".join(f"{path} {32767 - place}\n" for place, path in enumerate(first))


def write_squashfs(folder: Path, out: Path, *, epoch: int, log: Path, first: Sequence[str] = ()) -> None:
    """Write the read-only file system `out` from `folder`: the same bytes for the same tree, epoch and `first`.

    first: paths below `folder` of the files that are read together at a start. A block holds many small files, and the
    kernel unpacks the block to read one of them. Blocks that hold files in the order of reading are unpacked once.
    """
    times.clamp(folder, epoch, log)
    order = log.with_suffix(".sort")
    order.write_text(render_sort_file(first))
    run(squashfs_argv(folder, out, epoch, order), step="python", log=log)
    order.unlink()


def squashfs_argv(folder: Path, out: Path, epoch: int, order: Path) -> list[str]:
    return [
        "mksquashfs", os.fspath(folder), os.fspath(out), "-noappend", "-no-progress", "-quiet", "-all-root",
        "-comp", "zstd", "-Xcompression-level", str(SQUASH_LEVEL), "-b", SQUASH_BLOCK, "-mkfs-time", str(epoch),
        "-sort", os.fspath(order),
    ]  # fmt: skip
