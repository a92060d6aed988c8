"""Checks of practical 6: norms of gradients in residual networks."""

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from course_tools.check.checking import Complaint, NotDone, Student, check
from course_tools.check.samples import given

FLAGS = ("skip_connections", "batch_normalization")
SETTINGS = ((True, True), (True, False), (False, True), (False, False))
NB_BLOCKS, NB_CHANNELS, NB_SAMPLES = 30, 10, 100


def make(student: Student, name: str, *sizes: int, **flags: bool) -> nn.Module:
    """Return an instance of the student's class; raise NotDone while it has no switches."""
    definition = student.get(name)
    parameters = inspect.signature(definition).parameters
    missing = [flag for flag in FLAGS if flag not in parameters]
    if missing:
        raise NotDone(name, f"not done yet: takes no {' and no '.join(missing)} (exercise 1)")
    for flag in FLAGS:
        if parameters[flag].default is not True:
            raise Complaint(name, f"{flag} should be True when it is not given")
    model: nn.Module = student.invoke(name, definition, *sizes, **flags)
    return model


class Used:
    """The convolutions and batch normalizations that a model uses, in this order; `output` is what it then gives."""

    def __init__(self, student: Student, label: str, model: nn.Module, x: Tensor) -> None:
        self.convolutions: list[nn.Conv2d] = []
        self.norms: list[nn.BatchNorm2d] = []
        hooks = [module.register_forward_hook(self.note) for module in model.modules()]
        self.output: Tensor = student.invoke(f"{label}: its forward", model, x)
        for hook in hooks:
            hook.remove()

    def note(self, module: nn.Module, *_: Any) -> None:
        if isinstance(module, nn.Conv2d):
            self.convolutions.append(module)
        elif isinstance(module, nn.BatchNorm2d):
            self.norms.append(module)

    def judge(self, label: str, nb_convolutions: int, nb_norms: int, norm: bool) -> None:
        """Raise a complaint when these are not so many, or not all different."""
        if len(self.convolutions) != nb_convolutions:
            raise Complaint(label, f"uses {len(self.convolutions)} nn.Conv2d, expected {nb_convolutions}")
        if len(self.norms) != nb_norms:
            count = len(self.norms)
            raise Complaint(label, f"uses {count} nn.BatchNorm2d with batch_normalization={norm}, expected {nb_norms}")
        for kind, layers in (("nn.Conv2d", self.convolutions), ("nn.BatchNorm2d", self.norms)):
            if len({*layers}) < len(layers):
                raise Complaint(label, f"uses the same {kind} twice: each place has one of its own")


@check("ResNetBlock", seconds=40)
def switches_of_a_block(student: Student) -> Iterator[str]:
    label, x = "ResNetBlock", torch.randn(4, 4, 8, 8)
    for skip, norm in SETTINGS:
        block = make(student, label, 4, 3, skip_connections=skip, batch_normalization=norm)
        for parameter in block.parameters():  # large ones: each part has something to say
            nn.init.normal_(parameter, 0, 0.5)
        used = Used(student, label, block, x)
        used.judge(label, 2, 2 * norm, norm)
        output = student.tensor(label, used.output, (4, 4, 8, 8))
        if torch.allclose(output, run_block(used, x, skip), atol=1e-4):
            continue
        said = find_mistake(used, x, skip, output)
        yield f"{label}: with skip_connections={skip} and batch_normalization={norm} {said}"
        return


def run_block(
    used: Used, x: Tensor, skip: bool, *, inner: bool = True, last: bool = True, late: bool = False
) -> Tensor:
    """Return what a block gives; without its inner ReLU, without its last ReLU, or with the addition after that."""
    first, second = used.norms or (nn.Identity(), nn.Identity())
    y: Tensor = first(used.convolutions[0](x))
    y = second(used.convolutions[1](y.relu() if inner else y))
    if late:
        return y.relu() + x
    y = y + x if skip else y
    return y.relu() if last else y


def find_mistake(used: Used, x: Tensor, skip: bool, output: Tensor) -> str:
    """Return what is wrong with a block that gives this output."""
    known: dict[str, Callable[[], Tensor]] = {
        "its input is not added" if skip else "its input still reaches the output": lambda: run_block(
            used, x, not skip
        ),
        "there is no ReLU between its convolutions": lambda: run_block(used, x, skip, inner=False),
        "there is no ReLU at its end": lambda: run_block(used, x, skip, last=False),
        "there is no ReLU at all": lambda: run_block(used, x, skip, inner=False, last=False),
        "its input is added after the last ReLU, not before": lambda: run_block(used, x, skip, late=True),
    }
    for said, run in known.items():
        if torch.allclose(output, run(), atol=1e-4):
            return said
    return "it does not give what the block of the embryo would"


@check("ResNet", "ResNetBlock", seconds=40)
def switches_of_the_network(student: Student) -> Iterator[str]:
    label = "ResNet"
    for skip, norm in SETTINGS:
        model = make(student, label, 2, 4, skip_connections=skip, batch_normalization=norm)
        used = Used(student, label, model, torch.randn(2, 3, 32, 32))
        used.judge(label, 5, 5 * norm, norm)
        student.tensor(label, used.output, (2, 10))
        if "ResNetBlock" not in student.faulty and has_skips(model, used) != skip:
            wrong = "stops" if skip else "still passes"
            yield f"{label}: with skip_connections={skip} what enters a block {wrong} there: are its blocks told?"
            return


def has_skips(model: nn.Module, used: Used) -> bool:
    """Return whether a sample passes through blocks whose convolutions are zero; the model is of no use afterwards."""
    for layer in used.convolutions[1:]:
        nn.init.zeros_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    one, two = (model(torch.randn(1, 3, 32, 32)) for _ in range(2))
    return not torch.equal(one, two)


class FirstSample(BaseException):
    """The network was shown its first sample: that is all that is asked."""


class Shown:
    """What is shown to the student's network while get_stats runs."""

    def __init__(self, definition: type, *, first_only: bool = False) -> None:
        self.definition, self.first_only = definition, first_only
        self.model: nn.Module | None = None  # as it was at first
        self.sizes: set[tuple[int, ...]] = set()
        self.inputs: list[Tensor] = []  # the first two

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        if not isinstance(module, self.definition):
            return
        for x in arguments[:1]:
            if isinstance(x, Tensor):
                self.sizes.add(tuple(x.shape))
                if len(self.inputs) < 2:
                    self.inputs.append(x.detach().clone())
        if self.model is None:
            self.model = copy.deepcopy(module)
        if self.first_only:
            raise FirstSample

    def judge(self) -> nn.Module:
        """Return the network; raise Complaint when there is none, or when it was shown more than single samples."""
        if self.model is None:
            raise Complaint("get_stats", "shows no sample to a ResNet")
        if wrong := self.sizes - {(1, 3, 32, 32)}:
            shape = " x ".join(map(str, min(wrong)))
            raise Complaint("get_stats", f"shows {shape} to the network, expected one sample, 1 x 3 x 32 x 32")
        if not self.model.training:
            raise Complaint(
                "get_stats", "puts the network into evaluation mode, where batch normalization does nothing yet"
            )
        return self.model


@contextmanager
def watched(student: Student, input: Tensor, target: Tensor, *, first_only: bool = False) -> Iterator[Shown]:
    """Give the student's code these samples, however it loads them, and note what it does."""
    shown = Shown(student.get("ResNet"), first_only=first_only)
    hook = register_module_forward_pre_hook(shown)
    try:
        with given(student, "get_stats", input, target):
            yield shown
    except FirstSample:
        pass
    finally:
        hook.remove()


def make_samples() -> tuple[Tensor, Tensor]:
    """Return two different samples in turns, 200 in all."""
    return torch.randn(2, 3, 32, 32).repeat(100, 1, 1, 1), torch.tensor([3, 5]).repeat(100)


@check("get_stats", "ResNet", "ResNetBlock", seconds=60)
def networks(student: Student) -> Iterator[str]:
    label = "get_stats"
    for skip, norm in SETTINGS:
        with watched(student, *make_samples(), first_only=True) as shown:
            student.run(label, skip, norm)
        model = shown.judge()
        if {"ResNet", "ResNetBlock"} & student.faulty:
            continue
        used = Used(student, label, model, torch.randn(1, 3, 32, 32))
        nb_blocks, channels = (len(used.convolutions) - 1) // 2, {layer.out_channels for layer in used.convolutions}
        if nb_blocks != NB_BLOCKS:
            raise Complaint(label, f"has a network of {nb_blocks} blocks, expected {NB_BLOCKS}")
        if channels != {NB_CHANNELS}:
            raise Complaint(label, f"has a network of {max(channels)} channels, expected {NB_CHANNELS}")
        for flag, asked, found in zip(FLAGS, (skip, norm), (has_skips(model, used), bool(used.norms)), strict=True):
            if asked != found:
                yield f"{label}: called with {flag}={asked} it makes a network with {flag}={found}"
                return


@check("get_stats", "ResNet", seconds=120)
def norms_of_gradients(student: Student) -> Iterator[str]:
    label = "get_stats"
    if label in student.faulty:
        return
    input, target = make_samples()
    with student.intact(label, train_input=input, train_target=target), watched(student, input, target) as shown:
        norms = student.tensor(label, student.call(label, True, True), (NB_BLOCKS, NB_SAMPLES), floating=True).detach()
    model = shown.judge()
    if not torch.isfinite(norms).all() or (norms <= 0).any():
        raise Complaint(label, "gives norms that are not finite and positive: are all elements filled?")
    if len(shown.inputs) == 2 and torch.equal(*shown.inputs):
        raise Complaint(label, "shows the same sample each time")
    # What was shown, which the student's code may have normalized anew.
    for said, one, two in list_columns(student, model, torch.cat(shown.inputs), target[:2]):
        if torch.allclose(norms[:, 0], one, rtol=1e-2) and torch.allclose(norms[:, 1], two, rtol=1e-2):
            if said:
                yield f"{label}: {said}"
            elif not torch.allclose(norms, torch.stack([one, two], 1)[:, torch.arange(NB_SAMPLES) % 2], rtol=1e-2):
                yield f"{label}: later samples have other norms than the same ones before: is a parameter changed?"
            return
    yield f"{label}: does not give the norms of the gradients of each block's first weights, sample by sample"


def list_columns(
    student: Student, model: nn.Module, input: Tensor, target: Tensor
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield what is said of the norms of two samples when they are these: nothing of the right ones."""
    used = Used(student, "ResNet", model, input[:1])
    firsts, seconds = used.convolutions[1::2], used.convolutions[2::2]
    weights = [layer.weight for layer in firsts]
    one, two = (differentiate(model, weights, input[n : n + 1], target[n : n + 1]) for n in range(2))
    yield "", measure(one), measure(two)
    sums = [first + second for first, second in zip(one, two, strict=True)]
    yield "lets the gradients of the samples add up: set them to zero before each", measure(one), measure(sums)
    wanted = "expected the norm of the gradient of its first convolution's weights"
    squares = [measure(gradients).square() for gradients in (one, two)]
    yield f"takes the square of a norm: {wanted}", squares[0], squares[1]
    largest = [torch.stack([gradient.abs().max() for gradient in gradients]) for gradients in (one, two)]
    yield f"takes the largest element of a gradient: {wanted}", largest[0], largest[1]
    means = [torch.stack([gradient.abs().mean() for gradient in gradients]) for gradients in (one, two)]
    yield f"takes a mean of a gradient's elements: {wanted}", means[0], means[1]
    yield "gives the blocks from the last to the first", measure(one).flip(0), measure(two).flip(0)
    yield f"takes a block's weights: {wanted}", measure(weights), measure(weights)
    raw = [differentiate(model, weights, input[n : n + 1], target[n : n + 1], nn.NLLLoss()) for n in range(2)]
    said = "gives the outputs to NLLLoss, which wants log_softmax of them: CrossEntropyLoss does both"
    yield said, measure(raw[0]), measure(raw[1])
    others: dict[str, list[Any]] = {
        "biases of its first convolution": [layer.bias for layer in firsts],
        "second convolution": [layer.weight for layer in seconds],
    }
    for name, parameters in others.items():
        if all(isinstance(parameter, Tensor) for parameter in parameters):
            pair = [differentiate(model, parameters, input[n : n + 1], target[n : n + 1]) for n in range(2)]
            yield f"takes a block's {name}: {wanted}", measure(pair[0]), measure(pair[1])


def differentiate(
    model: nn.Module, parameters: list[Any], input: Tensor, target: Tensor, criterion: nn.Module | None = None
) -> list[Tensor]:
    """Return the gradients of the cross-entropy, or of another loss."""
    return [*torch.autograd.grad((criterion or nn.CrossEntropyLoss())(model(input), target), parameters)]


def measure(tensors: list[Any]) -> Tensor:
    """Return the norm of each."""
    return torch.stack([tensor.detach().norm() for tensor in tensors])
