"""`course-verify`: run the tests that torch, torchvision and the GPU of this machine compute right."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from types import FrameType

from course_runtime.machine.machine import CourseError, Machine, exit_with

TESTS = "/opt/course/verify"

# Variables that name places for caches, and the beginnings of those that change what is tested and how.
LEFT_OUT = ("MPLCONFIGDIR", "TORCH_HOME", "CUDA_CACHE_PATH", "PYTHON", "PYTEST_")


def verify(machine: Machine, arguments: Sequence[str]) -> int:
    """Run the tests with further `arguments` for pytest; return its exit status. Raise CourseError."""
    tests = machine.path(TESTS)
    if not tests.is_dir():
        raise CourseError(f"{tests} is not there", "restore it from the course's image")
    if not find_spec("pytest"):
        raise CourseError(f"{sys.executable} has no pytest", "use the course's own Python, or its image")
    with TemporaryDirectory(prefix="course-verify-", ignore_cleanup_errors=True) as folder:
        environment = make_environment(os.environ, folder)
        status = subprocess.run(make_command(arguments), cwd=tests, env=environment, check=False).returncode
    if status < 0:
        raise CourseError(f"the tests were ended by {signal.Signals(-status).name}", "course-doctor may know why")
    return status


def make_command(arguments: Sequence[str]) -> list[str]:
    """Return the command line of pytest, in the folder of the tests and with the settings that lie there."""
    return [sys.executable, "-m", "pytest", "-c", "pytest.ini", *arguments]


def make_environment(environ: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return an environment in which the tests and their libraries write (fonts, kernels) into `folder` alone.

    What is tested is the machine as it was built: neither packages in the user's home nor modules in the current folder
    nor plugins of pytest have a say in it.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith(LEFT_OUT)}
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), folder)
    switches = ("PYTHONNOUSERSITE", "PYTHONSAFEPATH", "PYTHONDONTWRITEBYTECODE", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    return {**kept, **places, **dict.fromkeys(switches, "1")}


def verify_distributed(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Prove that processes of a training agree; return the exit status. Raise CourseError when torchrun fails.

    torchrun has its say only when no process could: each of those tells its own trouble in one line.
    """
    command = make_torchrun(arguments)
    with TemporaryFile() as log:
        done = subprocess.run(command, env={**environ, "OMP_NUM_THREADS": "1"}, stderr=log, check=False)
        log.seek(0)
        told = log.read().decode("utf-8", "replace")
    if done.returncode and "exitcode  : 1 " not in told:
        sys.stderr.write(told)
        raise CourseError(f"torchrun ended with status {done.returncode}", "its last lines above say why")
    return 1 if done.returncode else 0


def make_torchrun(arguments: Sequence[str]) -> list[str]:
    """Return the command line of torchrun: with its own `arguments`, else two processes here."""
    where = [*arguments] or ["--standalone", "--nproc-per-node=2"]
    return [sys.executable, "-P", "-m", "torch.distributed.run", *where, "-m", "course_runtime.doctor.distributed"]


def stop(number: int, frame: FrameType | None) -> None:
    """Stop the tests and clean up when the container is stopped."""
    sys.exit(128 + number)


def main() -> None:
    """Run `course-verify`."""
    parser = argparse.ArgumentParser(
        prog="course-verify",
        usage="course-verify [-h] [--json FILE] [--require-gpu | --distributed] [ARGUMENT ...]",
        description="Test torch, torchvision, the CPU and the GPU; exit 0 if all tests passed or were skipped.",
        epilog="All other arguments are handed to pytest, which runs in the folder of the tests: -k NAME or"
        " test_vision.py runs some of them, -x stops at the first failure.",
        allow_abbrev=False,
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON too")
    parser.add_argument("--require-gpu", action="store_true", help="fail where the tests that need a GPU are skipped")
    parser.add_argument(
        "--distributed",
        action="store_true",
        help="prove that processes of a training agree; further arguments are torchrun's, else two run here",
    )
    options, arguments = parser.parse_known_args()
    if options.distributed:
        exit_with("course-verify", lambda: verify_distributed(arguments, os.environ))
    if options.json:
        arguments.append(f"--json={options.json.absolute()}")
    if options.require_gpu:
        arguments.append("--require-gpu")
    signal.signal(signal.SIGTERM, stop)
    exit_with("course-verify", lambda: verify(Machine(), arguments))
