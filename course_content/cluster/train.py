"""Train a small network on digits with one process or many: the same loss at each step, whatever their number.

    python train.py                                        one process
    torchrun --standalone --nproc-per-node=2 train.py      two processes of one computer
    sbatch ee559-train.sbatch                              several nodes; see several-computers.md

A training that is stopped by SIGTERM, as Slurm stops a job that must make room, leaves a checkpoint, and goes on from
there when it is started again.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

ETA = 0.1
stop_wanted = False


class Net(nn.Module):
    """Two convolutions and two linear layers, without anything that depends on the size of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, kernel_size=5)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=5)
        self.fc1 = nn.Linear(512, 100)
        self.fc2 = nn.Linear(100, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.conv1(x), kernel_size=2))
        x = F.relu(F.max_pool2d(self.conv2(x), kernel_size=2))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a small network on digits, with one process or many.")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=100, help="samples of one step, of all processes together")
    parser.add_argument("--accumulate", type=int, default=1, help="parts of a step that are computed one after another")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoint.pth"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the loss of each step")
    return parser.parse_args()


def join_group() -> tuple[int, int, torch.device]:
    """Return this process's rank, the number of processes and the device; torchrun's variables say who it is."""
    local, world = int(os.environ.get("LOCAL_RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    has_gpu = torch.cuda.device_count() > local
    if has_gpu:
        torch.cuda.set_device(local)
    if world > 1:
        dist.init_process_group("nccl" if has_gpu else "gloo")
    device = torch.device("cuda", local) if has_gpu else torch.device("cpu")
    return int(os.environ.get("RANK", 0)), world, device


def load_digits() -> tuple[Tensor, Tensor]:
    """Return 1000 digits (1000 x 1 x 28 x 28) and their classes."""
    arguments, sys.argv[1:] = sys.argv[1:], []  # the prologue has options of its own
    import dlc_practical_prologue as prologue

    sys.argv[1:] = arguments
    with contextlib.redirect_stdout(sys.stderr):
        images, classes, _, _ = prologue.load_data(cifar=False, normalize=True, flatten=False)
    return images, classes


def list_parts(step: int, size: int, batch: int, seed: int, rank: int, world: int, accumulate: int) -> Iterator[Tensor]:
    """Give the numbers of this process's samples of a step, in `accumulate` parts.

    The order of the samples follows from the seed and the epoch alone, so that it does not depend on the number of
    processes, and a training that goes on from a checkpoint sees what it would have seen.
    """
    epoch, start = divmod(step, size // batch)
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed * 1000 + epoch))
    of_step = order[start * batch : (start + 1) * batch]
    yield from of_step[rank::world].chunk(accumulate)


def train_step(model: nn.Module, parts: list[Tensor], images: Tensor, classes: Tensor, batch: int) -> Tensor:
    """Compute the gradients of one step; return this process's share of the mean loss.

    Each process adds its samples' losses divided by the whole batch. DistributedDataParallel averages over the
    processes, and so the share is taken times their number. Gradients travel only with the last part.
    """
    world = dist.get_world_size() if dist.is_initialized() else 1
    share = torch.zeros((), device=images.device)
    for number, part in enumerate(parts, start=1):
        is_last = number == len(parts)
        keep = contextlib.nullcontext() if is_last or world == 1 else model.no_sync()
        with keep:
            loss = F.cross_entropy(model(images[part]), classes[part], reduction="sum") / batch
            (loss * world).backward()
        share += loss.detach()
    return share


def save(path: Path, **state: object) -> None:
    """Write a checkpoint that is whole or not there: a node may be lost at any moment."""
    with tempfile.NamedTemporaryFile(dir=path.absolute().parent, delete=False) as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)


def want_stop(number: int, frame: FrameType | None) -> None:
    global stop_wanted
    stop_wanted = True


def is_stopping(device: torch.device) -> bool:
    """Return whether any process was asked to stop; all must stop after the same step."""
    asked = torch.tensor(float(stop_wanted), device=device)
    if dist.is_initialized():
        dist.all_reduce(asked, dist.ReduceOp.MAX)
    return bool(asked)


def main() -> None:
    options = read_arguments()
    signal.signal(signal.SIGTERM, want_stop)
    rank, world, device = join_group()
    images, classes = (data.to(device) for data in load_digits())
    batch, size = options.batch_size, len(images)
    torch.manual_seed(options.seed)  # the same first weights in every process
    model: nn.Module = Net().to(device)
    if world > 1:
        model = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=ETA)

    losses: list[float] = []
    if options.checkpoint.exists():
        state = torch.load(options.checkpoint, map_location=device, weights_only=True)
        getattr(model, "module", model).load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        losses = state["losses"]
        if rank == 0:
            print(f"going on after step {len(losses)}", flush=True)

    last = options.epochs * (size // batch)
    while len(losses) < last:
        parts = [*list_parts(len(losses), size, batch, options.seed, rank, world, options.accumulate)]
        optimizer.zero_grad()
        loss = train_step(model, parts, images, classes, batch)
        optimizer.step()
        if world > 1:
            dist.all_reduce(loss)
        losses.append(loss.item())
        ends_epoch = len(losses) % (size // batch) == 0
        stopping = is_stopping(device)
        if rank == 0 and (ends_epoch or stopping):
            weights = getattr(model, "module", model).state_dict()
            save(options.checkpoint, model=weights, optimizer=optimizer.state_dict(), losses=losses)
            print(f"step {len(losses)} of {last}: loss {losses[-1]:.4f}", flush=True)
        if stopping:
            break
    if rank == 0 and options.json:
        options.json.write_text(json.dumps({"world": world, "losses": losses}))
    if world > 1:
        dist.destroy_process_group()
        # The threads of gloo may still drop a tensor. Where Python has ended by then, they abort the whole process
        # (pytorch/pytorch#179291), and the launcher says that the training failed.
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
