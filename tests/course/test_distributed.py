"""course-verify --distributed: processes that agree, and one line for each usual fault."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip(
    "torch", reason="torch is not installed beside pytest: processes that train together are not tested"
)

from course_runtime.doctor import distributed
from course_runtime.machine.machine import CourseError
from lab_server import find_port
from packages import PYTHONPATH
from waiting import DEADLINE

SAME = {"host": "a", "course": "c", "torch": "2", "cuda": "none", "nccl": "none"}


def start(rank: int, world: int, port: int, **environ: str) -> "subprocess.Popen[str]":
    """Start one process as torchrun would, on loopback."""
    who = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": PYTHONPATH,
        "CUDA_VISIBLE_DEVICES": "",
        **who,
        **where,
        **environ,
    }
    argv = [sys.executable, "-c", "from course_runtime.doctor.distributed import main; main()"]
    return subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, text=True)


def end(*processes: "subprocess.Popen[str]") -> list[tuple[int, str]]:
    """Return (exit status, standard output) of each."""
    outputs = [process.communicate(timeout=DEADLINE)[0] for process in processes]
    return [(process.returncode, output) for process, output in zip(processes, outputs, strict=True)]


def test_four_processes_agree() -> None:
    code = "import sys; sys.argv = ['course-verify', '--distributed', '--standalone', '--nproc-per-node=4']"
    code += "; from course_runtime.doctor.verify import main; main()"
    environ = {**os.environ, "PYTHONPATH": PYTHONPATH, "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    agreed, measured = done.stdout.splitlines()
    assert agreed.startswith("course-verify: 4 processes on 1 nodes (") and agreed.endswith(" agree, by gloo")
    assert "GB/s" in measured


def test_a_process_that_agreed_does_not_wait_for_the_end_of_python() -> None:
    """There gloo's threads may abort it: with status -6, after it said that all is well."""
    code = "import atexit, os; from course_runtime.doctor import distributed; atexit.register(os.abort)"
    code += "; distributed.prove = lambda environ: print('agree', flush=True); distributed.main()"
    environ = {**os.environ, "PYTHONPATH": PYTHONPATH}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=DEADLINE)
    assert (done.returncode, done.stdout) == (0, "agree\n"), done.stderr


def test_nodes_with_two_images_are_told() -> None:
    port = find_port()
    first, second = start(0, 2, port, COURSE_NAME="old"), start(1, 2, port, COURSE_NAME="new")
    for status, output in end(first, second):
        assert status == 1 and output.count("\n") == 1
        assert "has old, " in output and "new (rank 1): give all nodes the same image" in output


def test_a_wrong_interface_is_told_before_torch_is_loaded() -> None:
    ((status, output),) = end(start(0, 1, find_port(), NCCL_SOCKET_IFNAME="ib9"))
    assert status == 1 and output.count("\n") == 1
    assert ": NCCL_SOCKET_IFNAME=ib9: no such network interface: choose of " in output


@pytest.mark.parametrize("value", ["lo", "^docker0", "=lo", "lo:0", "lo,lo", ""])
def test_interfaces_in_all_their_spellings(tmp_path: Path, value: str) -> None:
    for name in ("lo", "docker0"):
        (tmp_path / name).mkdir()
    distributed.check_interfaces({"GLOO_SOCKET_IFNAME": value}, tmp_path)


@pytest.mark.parametrize("name", distributed.SAME)
def test_every_difference_between_nodes_is_named(name: str) -> None:
    other = {**SAME, "host": "b", name: "other"}
    with pytest.raises(CourseError, match=rf"^{name}: a has {SAME[name]}, b other \(rank 1\): give all nodes the same"):
        distributed.compare({0: SAME, 1: other})
    distributed.compare({0: SAME, 1: {**SAME, "host": "b"}})


def test_a_node_that_does_not_answer_is_told() -> None:
    from datetime import timedelta

    import torch

    environ = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_port())}
    with pytest.raises(CourseError, match=r"does not answer, or not all 2 processes came .*: open the port between"):
        distributed.meet(torch, environ, "gloo", timedelta(seconds=1))


def test_little_shared_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    little = os.statvfs_result((4096, 4096, 16384, 0, 0, 0, 0, 0, 0, 255))
    monkeypatch.setattr("os.statvfs", lambda _: little)
    with pytest.raises(CourseError, match="64 MB in /dev/shm, NCCL needs more: start the container with --shm-size=2g"):
        distributed.check_shared_memory()
