"""Gradients, against finite differences in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

LABELS = torch.tensor([0, 2, 1])
FUNCTIONS: dict[str, tuple[Callable[..., Tensor], list[tuple[int, ...]]]] = {
    "matmul": (torch.matmul, [(3, 4), (4, 2)]),
    "convolution": (lambda x, w, b: functional.conv2d(x, w, b, padding=1), [(2, 2, 4, 4), (3, 2, 3, 3), (3,)]),
    "batch norm": (lambda x, w, b: functional.batch_norm(x, None, None, w, b, training=True), [(5, 3), (3,), (3,)]),
    "attention": (functional.scaled_dot_product_attention, [(1, 3, 4)] * 3),
    "cross entropy": (lambda x: functional.cross_entropy(x, LABELS.to(x.device)), [(3, 4)]),
    "embedding": (lambda x: functional.embedding(LABELS.to(x.device), x).tanh(), [(3, 4)]),
}


class Cube(torch.autograd.Function):
    """x ** 3, with the factor of its derivative to choose."""

    @staticmethod
    def forward(context: Any, x: Tensor, factor: float) -> Tensor:
        context.save_for_backward(x)
        context.factor = factor
        return x**3

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = context.saved_tensors
        return context.factor * x**2 * gradient, None


def make_inputs(shapes: list[tuple[int, ...]], device: torch.device) -> list[Tensor]:
    return [torch.randn(*shape, dtype=torch.float64).to(device).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_those_of_finite_differences(name: str, device: torch.device) -> None:
    function, shapes = FUNCTIONS[name]
    assert gradcheck(function, make_inputs(shapes, device), nondet_tol=1e-10)


def test_second_derivatives(device: torch.device) -> None:
    function, shapes = FUNCTIONS["convolution"]
    assert gradgradcheck(lambda *inputs: function(*inputs).sigmoid(), make_inputs(shapes, device), nondet_tol=1e-10)


def test_a_function_of_ones_own_is_checked(device: torch.device) -> None:
    inputs = make_inputs([(5,)], device)
    assert gradcheck(lambda x: Cube.apply(x, 3.0), inputs)
    assert not gradcheck(lambda x: Cube.apply(x, 2.9), inputs, raise_exception=False)


def test_gradients_of_each_sample_at_once(device: torch.device) -> None:
    weights, samples = make_inputs([(4,), (6, 4)], device)

    def loss(weights: Tensor, sample: Tensor) -> Tensor:
        return (weights @ sample).sin()

    at_once = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, samples)
    one_by_one = [torch.autograd.grad(loss(weights, sample), weights)[0] for sample in samples]
    assert torch.allclose(at_once, torch.stack(one_by_one))
