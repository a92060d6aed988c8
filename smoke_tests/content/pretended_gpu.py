"""A GPU that is only pretended: its tensors lie in the machine's memory, but keep the rules of another device.

python pretended_gpu.py PROGRAM [ARGUMENTS], or `import pretended_gpu; pretended_gpu.enable()` in a notebook

It finds, on a machine without a GPU, what would fail on one: tensors of two devices in one operation, `numpy()` or a
plot of a tensor that was never brought back, a generator of the other device. It computes what the CPU computes: it
says nothing about numbers, speed, memory, or what a CUDA kernel lacks.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors
from torch.utils._python_dispatch import TorchDispatchMode

GPU = torch.device("cuda", 0)
ACROSS = {torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default}
PACK = torch.ops.aten._pack_padded_sequence.default
"""Its second result, the sizes of the batches, stays on the CPU."""
INDEXED = {
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
    torch.ops.aten._index_put_impl_.default,
    PACK,
}
"""Their second argument, indices or lengths, may be on the CPU."""
ON_HOST_ONLY = (Tensor.numpy, Tensor.__array__)
MOVES = (Tensor.to, Tensor.cuda, Tensor.cpu)


def is_on_gpu(tensor: Tensor) -> bool:
    """Whether the tensor pretends to be on the GPU; what shares its memory does as well."""
    return hasattr(tensor.untyped_storage(), "on_gpu")


def put(tensor: Tensor, on_gpu: bool) -> Tensor:
    """Mark a tensor whose memory nobody else has."""
    storage = tensor.untyped_storage()
    if on_gpu:
        storage.on_gpu = True  # type: ignore[attr-defined]
    elif hasattr(storage, "on_gpu"):
        del storage.on_gpu
    return tensor


class Move(torch.autograd.Function):
    """A copy on the other device; its gradient comes back."""

    @staticmethod
    def forward(context: Any, input: Tensor, on_gpu: bool) -> Tensor:
        context.came_from_gpu = is_on_gpu(input)
        return put(input.clone(), on_gpu)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Any:
        return Move.apply(gradients[0], context.came_from_gpu), None


class Memory(TorchDispatchMode):
    """Refuses operations on tensors of both devices, and lets results lie where their operands do."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # what would be skipped costs an import of the compiler, and time on every operation

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if choose_device(func, args, kwargs):
            if kwargs.get("generator") is not None:
                raise RuntimeError(f"{func}: expected a 'cuda' device type for generator but found 'cpu'")
            results = func(*args, **kwargs)
            for result in find_tensors((results[:1] if func is PACK else results,)):
                put(result, True)
            return results
        return func(*args, **kwargs)


def choose_device(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an operation runs on the GPU; raises RuntimeError, as CUDA does, if its operands are on both devices."""
    operands = list(find_tensors((*args, *kwargs.values())))
    on_gpu = [is_on_gpu(tensor) for tensor in operands]
    if func in ACROSS:
        return on_gpu[0]
    if func in INDEXED and on_gpu[0]:
        indices = list(find_tensors((args[1],)))
        operands = [tensor for tensor in operands if all(tensor is not index for index in indices)]
        on_gpu = [is_on_gpu(tensor) for tensor in operands]
    # A number on the CPU may meet tensors of any device.
    if any(on_gpu) and any(tensor.dim() > 0 for tensor, there in zip(operands, on_gpu, strict=True) if not there):
        raise RuntimeError(f"{func}: expected all tensors to be on the same device, but found cuda:0 and cpu")
    return any(on_gpu)


def find_tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """Return the tensors in nested lists and tuples."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from find_tensors(value)


class Face(TorchFunctionMode):
    """Answers what Python asks of devices: where a tensor is, to move it, to make one there."""

    default: torch.device | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func == Tensor.device.__get__:  # type: ignore[attr-defined]
            return GPU if is_on_gpu(args[0]) else torch.device("cpu")
        if func == Tensor.is_cuda.__get__:  # type: ignore[attr-defined]
            return is_on_gpu(args[0])
        if func in MOVES:
            return move(func, args, kwargs)
        if func in ON_HOST_ONLY and is_on_gpu(args[0]):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
        if func is torch.nn.functional.one_hot:  # made of a tensor that no operation shows
            return put(func(put(args[0].clone(), False), *args[1:], **kwargs), is_on_gpu(args[0]))
        if func is Tensor.new_tensor:
            kwargs.setdefault("device", GPU if is_on_gpu(args[0]) else None)
        if func in _device_constructors() and kwargs.get("device") is None:
            kwargs["device"] = self.default
        if kwargs.get("device") is None:
            return func(*args, **kwargs)
        on_gpu = is_gpu(kwargs.pop("device"))
        if on_gpu and kwargs.get("generator") is not None:
            raise RuntimeError("expected a 'cuda' device type for generator but found 'cpu'")
        result = func(*args, **kwargs, device="cpu")
        if on_gpu and func in (torch.as_tensor, torch.from_numpy, torch.asarray):
            result = result.clone()
        return put(result, on_gpu) if isinstance(result, Tensor) else result


def is_gpu(device: object) -> bool:
    """Whether "cuda", "cuda:0", 0 or a torch.device names the GPU."""
    return isinstance(device, int) or torch.device(str(device)).type == "cuda"


def move(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Tensor.to, cuda or cpu: the same tensor when nothing changes, otherwise a copy."""
    tensor, *rest = args
    on_gpu = is_on_gpu(tensor)
    wanted = {Tensor.cuda: True, Tensor.cpu: False}.get(func, on_gpu)
    if "device" in kwargs:
        wanted = is_gpu(kwargs.pop("device"))
    if func is not Tensor.to:
        rest = []
    elif rest and isinstance(rest[0], Tensor):
        wanted, rest[0] = is_on_gpu(rest[0]), rest[0].dtype
    elif rest and isinstance(rest[0], str | torch.device | int):
        wanted = is_gpu(rest.pop(0))
    dtypes = [value for value in (*rest, kwargs.get("dtype")) if isinstance(value, torch.dtype)]
    tensor = Tensor.to(tensor, *dtypes)
    return tensor if wanted == on_gpu else Move.apply(tensor, wanted)


def enable() -> None:
    """From here to the end of the process, torch has a GPU."""
    face = Face()
    torch.cuda.is_available = lambda: True
    torch.cuda.device_count = lambda: 1
    torch.cuda.synchronize = lambda device=None: None
    torch.cuda.get_device_name = lambda device=None: "pretended GPU"
    torch.cuda.get_device_properties = lambda device=None: SimpleNamespace(total_memory=2**30, multi_processor_count=1)
    torch.backends.cudnn.is_acceptable = lambda tensor: False  # asked by nn.LSTM, it would warn
    # Asked by the optimizers: a build for CUDA would name its own, and ask the driver for a stream.
    torch.accelerator.current_accelerator = lambda check_available=False: None
    torch._C._scatter = lambda tensor, *_: [tensor]  # type: ignore[attr-defined] # what DataParallel does with one GPU
    torch.set_default_device = lambda device: setattr(face, "default", torch.device(device))
    keep_compiler_away()
    face.__enter__()
    Memory().__enter__()


def keep_compiler_away() -> None:
    """Every optimizer imports torch's compiler, some 800 modules, only to say that it must not be compiled."""
    compiler = ModuleType("torch._dynamo")
    compiler.disable = lambda function, *arguments, **named: function  # type: ignore[attr-defined]
    compiler.graph_break = lambda: None  # type: ignore[attr-defined]
    torch._dynamo = sys.modules["torch._dynamo"] = compiler


if __name__ == "__main__":
    program = Path(sys.argv[1])
    sys.argv = sys.argv[1:]
    sys.path[0] = str(program.parent)
    enable()
    runpy.run_path(str(program), run_name="__main__")
