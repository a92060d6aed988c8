"""Checks of practical 6: norms of gradients in residual networks."""

import inspect
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from course_tools.checking import Finding, NotDone, Student, check

FLAGS = ("skip_connections", "batch_normalization")
SETTINGS = ((True, True), (True, False), (False, True), (False, False))
NB_BLOCKS, NB_CHANNELS, NB_SAMPLES = 30, 10, 100


def make(student: Student, name: str, *sizes: int, **flags: bool) -> nn.Module:
    """An instance of the student's class; raises NotDone while it has no switches."""
    definition = student.get(name)
    missing = [flag for flag in FLAGS if flag not in inspect.signature(definition).parameters]
    if missing:
        raise NotDone(f"{name}: not done yet: takes no {' and no '.join(missing)} (exercise 1)")
    model: nn.Module = student.invoke(name, definition, *sizes, **flags)
    return model


def count_batch_norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@check("ResNetBlock", seconds=40)
def switches_of_a_block(student: Student) -> Iterator[str]:
    label = "ResNetBlock"
    x = torch.rand(2, 4, 8, 8) + 0.5
    for skip, norm in SETTINGS:
        block = make(student, label, 4, 3, skip_connections=skip, batch_normalization=norm)
        yield from judge_batch_norms(label, block, 2 * norm, norm)
        for module in block.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.zeros_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        output = student.tensor(label, student.invoke(f"{label}: its forward", block, x), (2, 4, 8, 8))
        passes = torch.allclose(output, x, atol=1e-5)
        if skip and not passes:
            yield f"{label}: with skip_connections=True and convolutions of zeros its input should come out"
            return
        if not skip and output.abs().max() > 1e-5:
            yield f"{label}: with skip_connections=False its input still reaches the output"
            return
    same = make(student, label, 4, 3)
    if count_batch_norms(same) != 2:
        yield f"{label}: batch_normalization should be True when it is not given"


def judge_batch_norms(label: str, model: nn.Module, expected: int, norm: bool) -> Iterator[str]:
    """How many nn.BatchNorm2d there are."""
    count = count_batch_norms(model)
    if count != expected:
        raise Finding(f"{label}: has {count} nn.BatchNorm2d with batch_normalization={norm}, expected {expected}")
    yield from ()


@check("ResNet", "ResNetBlock", seconds=40)
def switches_of_the_network(student: Student) -> Iterator[str]:
    label = "ResNet"
    for skip, norm in SETTINGS:
        model = make(student, label, 2, 4, skip_connections=skip, batch_normalization=norm)
        yield from judge_batch_norms(label, model, 5 * norm, norm)
        student.tensor(label, student.invoke(f"{label}: its forward", model, torch.randn(2, 3, 32, 32)), (2, 10))
        for module in model.modules():
            if isinstance(module, nn.Conv2d) and module.in_channels == module.out_channels:
                nn.init.zeros_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        one, two = (model(torch.randn(1, 3, 32, 32)) for _ in range(2))
        if skip == torch.equal(one, two):
            wrong = "stops" if skip else "still passes"
            yield f"{label}: with skip_connections={skip} what enters a block {wrong} there: are its blocks told?"
            return


@check("get_stats", "ResNet", seconds=120)
def norms_of_gradients(student: Student) -> Iterator[str]:
    label = "get_stats"
    input, target = torch.randn(1, 3, 32, 32).expand(200, -1, -1, -1).clone(), torch.full((200,), 3)
    with given_data(student, input, target):
        torch.manual_seed(0)
        norms = student.tensor(label, student.call(label, True, True), (NB_BLOCKS, NB_SAMPLES), floating=True)
        norms = norms.detach()
        if not torch.isfinite(norms).all() or (norms <= 0).any():
            yield f"{label}: norms must be finite and positive"
            return
        # All samples are the same one here, so each must have the same norms.
        if not torch.allclose(norms, norms[:, :1].expand_as(norms), rtol=1e-3):
            grows = bool((norms[:, -1] > 2 * norms[:, 0]).all())
            cure = "set the gradients to zero before each" if grows else "change no parameter between them"
            yield f"{label}: equal samples have different norms, from {norms[0, 0]:.2g} to {norms[0, -1]:.2g}: {cure}"
            return
        yield from judge_norms(student, norms[:, 0], input[:1], target[:1])
        shallow = student.call(label, False, False).mean(1)
        if shallow[0] > 1e-3 * shallow[-1]:
            yield f"{label}: without skip connections and batch normalization the norms should vanish towards block 1"


def judge_norms(student: Student, norms: Tensor, input: Tensor, target: Tensor) -> Iterator[str]:
    """Compare with a network of the same seed; what is neither right nor a known mistake is left to other checks."""
    torch.manual_seed(0)
    model = make(student, "ResNet", NB_BLOCKS, NB_CHANNELS, skip_connections=True, batch_normalization=True)
    nn.functional.cross_entropy(model(input), target).backward()
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.in_channels == m.out_channels]
    if len(convolutions) != 2 * NB_BLOCKS:
        return
    known = {
        "": [layer.weight.grad.norm() for layer in convolutions[::2]],  # type: ignore[union-attr]
        "takes the second convolution of each block": [layer.weight.grad.norm() for layer in convolutions[1::2]],  # type: ignore[union-attr]
        "takes the biases": [layer.bias.grad.norm() for layer in convolutions[::2]],  # type: ignore[union-attr]
        "takes the weights, not their gradients": [layer.weight.norm() for layer in convolutions[::2]],
        "takes the square of the norm": [layer.weight.grad.norm() ** 2 for layer in convolutions[::2]],  # type: ignore[union-attr]
    }
    for said, values in known.items():
        if torch.allclose(norms, torch.stack([*values]).detach(), rtol=1e-2):
            if said:
                yield f"get_stats: {said}: expected the gradient of the first convolution's weights"
            return


def given_data(student: Student, input: Tensor, target: Tensor) -> Any:
    """Inside, the student's code finds these samples, however it loads them."""
    import dlc_practical_prologue as prologue

    names = {"train_input": input, "train_target": target}
    student.namespace.update({name: tensor for name, tensor in names.items() if name not in student.namespace})
    return patch.object(prologue, "load_data", lambda *_, **__: (input, target, input, target))
