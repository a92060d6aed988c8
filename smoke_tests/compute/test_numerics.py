"""Kernels of every numerical library (cuBLAS, cuDNN, cuSOLVER, cuFFT, cuSPARSE, NVRTC; MKL, oneDNN) against float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from .devices import skip_without_bfloat16
from .reference import TOLERANCES, error, randn

PRODUCTS: dict[str, tuple[Callable[..., Tensor], list[tuple[int, ...]]]] = {
    "matmul": (torch.matmul, [(384, 512), (512, 256)]),
    "batched matmul": (torch.bmm, [(8, 64, 96), (8, 96, 32)]),
    "linear": (functional.linear, [(64, 256), (128, 256), (128,)]),
    "einsum": (lambda a, b: torch.einsum("bij,bkj->ki", a, b), [(4, 32, 64), (4, 16, 64)]),
    "conv1d": (functional.conv1d, [(4, 8, 100), (16, 8, 5)]),
    "conv2d": (lambda x, w: functional.conv2d(x, w, padding=1), [(4, 16, 28, 28), (32, 16, 3, 3)]),
    "strided, grouped conv2d": (
        lambda x, w: functional.conv2d(x, w, stride=2, dilation=2, groups=4),
        [(4, 16, 28, 28), (32, 4, 3, 3)],
    ),
    "transposed conv2d": (lambda x, w: functional.conv_transpose2d(x, w, stride=2), [(2, 16, 14, 14), (16, 8, 4, 4)]),
    "attention": (functional.scaled_dot_product_attention, [(2, 4, 64, 32)] * 3),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name: str, dtype: torch.dtype, device: torch.device) -> None:
    skip_without_bfloat16(device, dtype)
    function, shapes = PRODUCTS[name]
    inputs, references = zip(*(randn(*shape, device=device, dtype=dtype) for shape in shapes), strict=True)
    result = function(*inputs)
    assert result.dtype == dtype and result.device.type == device.type
    assert error(result, function(*references)) < TOLERANCES[dtype]


# Of a symmetric positive definite matrix with a condition number of 18, by which errors may grow.
DECOMPOSITIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "solve": lambda a: torch.linalg.solve(a, a.roll(1, 0)),
    "inverse": torch.linalg.inv,
    "cholesky": torch.linalg.cholesky,
    "log determinant": lambda a: torch.linalg.slogdet(a).logabsdet,
    "qr": lambda a: torch.linalg.qr(a).R.abs(),  # the signs of the rows are free
    "singular values": torch.linalg.svdvals,
    "eigenvalues": torch.linalg.eigvalsh,
    "least squares": lambda a: torch.linalg.lstsq(a[:, :32], a[:, 32:40]).solution,
    "exponential": lambda a: torch.linalg.matrix_exp(a / 4),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", DECOMPOSITIONS)
def test_linear_algebra(name: str, dtype: torch.dtype, device: torch.device) -> None:
    factor = torch.randn(64, 64, dtype=torch.float64)
    matrix = (factor @ factor.T / 64 + 0.2 * torch.eye(64, dtype=torch.float64)).to(dtype)
    result = DECOMPOSITIONS[name](matrix.to(device))
    assert error(result, DECOMPOSITIONS[name](matrix.double())) < 10 * TOLERANCES[dtype]


def test_a_matrix_is_what_its_decomposition_makes_of_it(device: torch.device) -> None:
    matrix, reference = randn(48, 32, device=device, dtype=torch.float64)
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    assert error(u @ torch.diag(s) @ vh, reference) < 1e-12
    assert error(u.mT @ u, torch.eye(32, dtype=torch.float64)) < 1e-12


OTHERS: dict[str, Callable[[Tensor], Tensor]] = {
    "fft": lambda x: torch.view_as_real(torch.fft.rfft2(x)),
    "sparse product": lambda x: torch.sparse.mm(torch.where(x.abs() > 1, x, 0).to_sparse(), x.T),
    "bessel": torch.special.bessel_j0,  # on a GPU compiled at run time, by NVRTC
    "softmax": lambda x: torch.softmax(3 * x, dim=-1),
    "log sum": lambda x: torch.logsumexp(x, dim=0),
    "layer norm": lambda x: functional.layer_norm(x, x.shape[1:]),
    "batch norm": lambda x: functional.batch_norm(x, None, None, training=True),
    "max pool": lambda x: functional.max_pool2d(x[None], 3),
    "upsample": lambda x: functional.interpolate(x[None, None], scale_factor=2, mode="bilinear"),
    "cumulative sum": lambda x: x.cumsum(dim=1),
    "variance": lambda x: x.var(dim=1),
    "median": lambda x: x.median(dim=1).values,
    "gelu": functional.gelu,
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_kernels(name: str, device: torch.device) -> None:
    values, reference = randn(96, 128, device=device, dtype=torch.float32)
    assert error(OTHERS[name](values), OTHERS[name](reference)) < TOLERANCES[torch.float32]


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_networks(kind: type[nn.RNNBase], device: torch.device) -> None:
    network = kind(input_size=24, hidden_size=32, num_layers=2).double()
    values, reference = randn(12, 8, 24, device=device, dtype=torch.float32)
    expected, _ = network(reference)
    result, _ = network.float().to(device)(values)
    assert error(result, expected) < 1e-4


def test_indexing_sorting_and_counting_are_exact(device: torch.device) -> None:
    values = torch.randperm(5000)
    there = values.to(device)
    assert torch.equal(there.sort().values.cpu(), torch.arange(5000))
    assert torch.equal(there.argsort().cpu(), values.argsort())
    assert torch.equal(there.topk(7).values.cpu(), torch.arange(4999, 4992, -1))
    assert torch.equal((there % 10).bincount().cpu(), torch.full((10,), 500))
    assert torch.equal(torch.zeros_like(there).scatter_add_(0, there // 2, there).sum().cpu(), values.sum())
    assert torch.equal(there[there > 2500].cpu(), values[values > 2500])


def test_random_numbers_are_spread_as_they_should(device: torch.device) -> None:
    """Within 5 standard errors of the mean and the variance."""
    count = 1 << 20
    normal = torch.randn(count, device=device)
    assert abs(normal.mean().item()) < 5 / count**0.5
    assert abs(normal.var().item() - 1) < 5 * (2 / count) ** 0.5
    uniform = torch.rand(count, device=device)
    assert uniform.min().item() >= 0 and uniform.max().item() < 1
    assert abs(uniform.mean().item() - 0.5) < 5 / (12 * count) ** 0.5


def test_numpy_shares_memory_with_the_cpu_and_reads_the_device(device: torch.device) -> None:
    array = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)
    tensor = torch.from_numpy(array)
    array[0, 0] = 7
    assert tensor[0, 0].item() == 7
    assert numpy.array_equal((tensor.to(device) * 2).cpu().numpy(), array * 2)
