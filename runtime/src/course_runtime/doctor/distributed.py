"""Proves that the processes of a training agree: what each of them runs under `course-verify --distributed`.

torchrun starts it, and says by the environment's variables who the process is. Trouble is one line of the process that
meets it; the first process prints what was measured.
"""

import json
import os
import socket
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from course_runtime.doctor.findings import MEBIBYTE
from course_runtime.machine.machine import CourseError

PATIENCE = timedelta(seconds=60)
INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
SAME = ("course", "torch", "cuda", "nccl")  # what must not differ between the processes
SHARED = 512  # MB of /dev/shm, through which NCCL's processes of one node speak
BYTES, ROUNDS = 64 * MEBIBYTE, 5  # of the measurement: sums of one tensor, as a large network's gradients are
TOLERANCE = 1e-12  # of gradients in float64, relative to the largest


def check_interfaces(environ: Mapping[str, str], network: Path = Path("/sys/class/net")) -> None:
    """Raise CourseError when a variable names a network interface that this node has not."""
    present = sorted(path.name for path in network.iterdir())
    for variable in INTERFACES:
        for name in filter(None, environ.get(variable, "").split(",")):
            wanted = name.lstrip("^=").partition(":")[0]
            if not any(one.startswith(wanted) for one in present):
                raise CourseError(f"{variable}={name}: no such network interface", f"choose of {', '.join(present)}")


def check_shared_memory(folder: Path = Path("/dev/shm")) -> None:
    """Raise CourseError when the processes of a node cannot speak through shared memory."""
    space = os.statvfs(folder)
    size = space.f_blocks * space.f_frsize // MEBIBYTE
    if size < SHARED:
        raise CourseError(f"{size} MB in {folder}, NCCL needs more", "start the container with --shm-size=2g")


def describe(torch: Any, environ: Mapping[str, str], backend: str) -> dict[str, str]:
    """Return what this process is, as the others see it."""
    nccl = ".".join(map(str, torch.cuda.nccl.version())) if backend == "nccl" else "none"
    named = {"host": socket.gethostname(), "course": environ.get("COURSE_NAME", "none")}
    return {**named, "torch": torch.__version__, "cuda": torch.version.cuda or "none", "nccl": nccl}


def compare(facts: Mapping[int, Mapping[str, str]]) -> None:
    """Raise CourseError when processes, by their rank, have not the same of SAME."""
    first = facts[0]
    for rank, other in facts.items():
        for name in SAME:
            if other[name] != first[name]:
                one, two = f"{first['host']} has {first[name]}", f"{other['host']} {other[name]} (rank {rank})"
                raise CourseError(f"{name}: {one}, {two}", "give all nodes the same image")


def meet(torch: Any, environ: Mapping[str, str], backend: str, patience: timedelta = PATIENCE) -> dict[int, Any]:
    """Join the group and return what each process is, by rank; raise CourseError when they do not find each other."""
    distributed = torch.distributed
    rank, world = int(environ["RANK"]), int(environ["WORLD_SIZE"])
    address, port = environ["MASTER_ADDR"], int(environ["MASTER_PORT"])
    hosts = environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True" and rank == 0
    try:
        store = distributed.TCPStore(address, port, None, hosts, timeout=patience, wait_for_workers=False)
        store.set(f"course-{rank}", json.dumps(describe(torch, environ, backend)))
        facts = {one: json.loads(store.get(f"course-{one}")) for one in range(world)}
        store.set(f"seen-{rank}", "")
        if hosts:  # who ends first must not take the others' answers along
            store.wait([f"seen-{one}" for one in range(world)])
    except (distributed.DistError, RuntimeError, ValueError) as error:
        reason = f"{address}:{port} does not answer, or not all {world} processes came ({first_line(error)})"
        raise CourseError(reason, "open the port between the nodes, and look at the job's other lines") from None
    compare(facts)
    try:
        distributed.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=patience)
        distributed.barrier()
    except (distributed.DistError, RuntimeError) as error:
        variable = INTERFACES[backend == "nccl"]
        cure = f"open the nodes' ports to each other, and name their network: {variable}=INTERFACE"
        raise CourseError(f"{backend} cannot connect the processes ({first_line(error)})", cure) from None
    return facts


def first_line(error: BaseException) -> str:
    """Return the beginning of what torch says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


def check_sums(torch: Any, device: str, rank: int, world: int) -> None:
    """Raise CourseError unless all processes get the sum of what each of them has."""
    values = torch.full((1000,), float(rank + 1), device=device, dtype=torch.float64)
    torch.distributed.all_reduce(values)
    if not bool((values == world * (world + 1) / 2).all()):
        raise CourseError("the sum over the processes is wrong", "show this to your cluster's administrator")


def check_gradients(torch: Any, device: str, rank: int, world: int) -> float:
    """Return by how much DistributedDataParallel's gradients miss one process's; raise CourseError if by too much."""
    torch.manual_seed(0)
    layers = (torch.nn.Linear(20, 30), torch.nn.Tanh(), torch.nn.Linear(30, 4))
    alone = torch.nn.Sequential(*layers).to(device, torch.float64)
    inputs = torch.randn(world * 8, 20, dtype=torch.float64).to(device)
    alone(inputs).square().mean().backward()
    wanted = [parameter.grad.clone() for parameter in alone.parameters()]
    alone.zero_grad()
    together = torch.nn.parallel.DistributedDataParallel(alone)
    together(inputs[rank * 8 : (rank + 1) * 8]).square().mean().backward()
    found = [parameter.grad for parameter in alone.parameters()]
    largest = max(float(gradient.abs().max()) for gradient in wanted)
    worst = max(float((a - b).abs().max()) for a, b in zip(wanted, found, strict=True)) / largest
    if worst > TOLERANCE:
        raise CourseError(f"gradients differ from one process's by {worst:.1e}", "show this to your administrator")
    return worst


def measure_bandwidth(torch: Any, device: str) -> float:
    """Return the bytes a second of which all processes get the sum: the median of ROUNDS."""
    values = torch.ones(BYTES // 4, device=device)
    seconds = []
    for _ in range(ROUNDS + 1):
        torch.distributed.barrier()
        begun = time.perf_counter()
        torch.distributed.all_reduce(values)
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    return BYTES / sorted(seconds[1:])[ROUNDS // 2]  # the first one makes the connections


def prove(environ: Mapping[str, str]) -> None:
    """Do all this as one process of the group; raise CourseError."""
    check_interfaces(environ)
    import torch

    count = torch.cuda.device_count()
    local, rank, world = (int(environ[name]) for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE"))
    backend, device = ("nccl", f"cuda:{local}") if count > local else ("gloo", "cpu")
    if backend == "nccl":
        check_shared_memory()
        torch.cuda.set_device(local)
    facts = meet(torch, environ, backend)
    check_sums(torch, device, rank, world)
    worst = check_gradients(torch, device, rank, world)
    speed = measure_bandwidth(torch, device)
    if rank == 0:
        hosts = list(dict.fromkeys(one["host"] for one in facts.values()))
        print(f"course-verify: {world} processes on {len(hosts)} nodes ({', '.join(hosts)}) agree, by {backend}")
        print(f"    gradients miss one process's by {worst:.0e}; sums of 64 MiB: {speed / 1e9:.2f} GB/s", flush=True)
    torch.distributed.barrier()  # who ends first must not take the others' last answers along


def main() -> None:
    """Run one process; exit status 1 after a line of trouble.

    It ends past Python's own end: torch's threads may wait for processes that never come, and those of gloo that still
    hold a tensor abort a process whose interpreter is gone (pytorch/pytorch#179291).
    """
    status = 0
    try:
        prove(os.environ)
    except CourseError as error:
        who = f"rank {os.environ.get('RANK', '?')} on {socket.gethostname()}"
        print(f"course-verify: {who}: {error}", flush=True)
        status = 1
    os._exit(status)


if __name__ == "__main__":
    main()
