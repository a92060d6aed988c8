"""A network learns on every device, alike, again and again, in 16 bits too, and can be stopped and taken elsewhere."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from .devices import skip_without_bfloat16
from .toys import LOSS_FALLS, STEPS, accuracy, make_net, make_optimizer, train

AGREEMENT = 1e-2  # of the losses of two devices: roundings differ, and each step makes the difference grow


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def test_a_network_learns(device: torch.device) -> None:
    net = make_net().to(device)
    losses = train(net, make_optimizer(net), STEPS)
    assert losses[-1] < losses[0] / LOSS_FALLS
    assert accuracy(net) > 0.95


@pytest.mark.gpu
def test_both_devices_learn_alike() -> None:
    nets = make_net(), make_net().to("cuda")
    here, there = (train(net, make_optimizer(net), 10) for net in nets)
    assert there == pytest.approx(here, rel=AGREEMENT)


@pytest.mark.usefixtures("deterministic")
def test_the_same_seed_gives_the_same_weights_to_the_last_bit(device: torch.device) -> None:
    nets = [make_net().to(device) for _ in range(2)]
    one, two = (train(net, make_optimizer(net), 5) for net in nets)
    assert one == two
    assert all(torch.equal(a, b) for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True))


def test_the_same_seed_gives_the_same_numbers(device: torch.device) -> None:
    def draw(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.cat([torch.randn(100, device=device), torch.nn.functional.dropout(torch.ones(100, device=device))])

    assert torch.equal(draw(5), draw(5))
    assert not torch.equal(draw(5), draw(6))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_a_network_learns_in_mixed_precision(dtype: torch.dtype, device: torch.device) -> None:
    skip_without_bfloat16(device, dtype)
    precision = functools.partial(torch.autocast, device.type, dtype=dtype)
    with precision():
        assert torch.nn.functional.linear(*torch.ones(2, 8, 8, device=device)).dtype == dtype
    net = make_net().to(device)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    losses = train(net, make_optimizer(net), STEPS, precision, scaler)
    assert losses[-1] < losses[0] / LOSS_FALLS
    assert accuracy(net) > 0.95
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}


def test_a_step_with_infinite_gradients_is_left_out(device: torch.device) -> None:
    weight = torch.ones(1, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scaler = torch.amp.GradScaler(device.type, init_scale=1024.0)
    scaler.scale(weight * float("inf")).backward()
    scaler.step(optimizer)
    scaler.update()
    assert weight.item() == 1 and scaler.get_scale() == 512


@pytest.mark.parametrize(
    ("saved", "loaded"),
    [
        ("cpu", "cpu"),
        pytest.param("cuda", "cpu", marks=pytest.mark.gpu),
        pytest.param("cpu", "cuda", marks=pytest.mark.gpu),
    ],
)
def test_training_goes_on_from_a_checkpoint(saved: str, loaded: str, tmp_path: Path) -> None:
    net = make_net().to(saved)
    optimizer = make_optimizer(net)
    train(net, optimizer, 5)
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "step": 5}, tmp_path / "checkpoint.pt")
    expected = train(net, optimizer, 5)

    checkpoint = torch.load(tmp_path / "checkpoint.pt", map_location=loaded, weights_only=True)
    assert checkpoint["step"] == 5
    other = make_net().to(loaded)
    other.load_state_dict(checkpoint["net"])
    resumed = make_optimizer(other)
    resumed.load_state_dict(checkpoint["optimizer"])
    assert train(other, resumed, 5) == pytest.approx(expected, rel=AGREEMENT)


class Stranger:
    """What a checkpoint from elsewhere might run when it is loaded."""

    def __reduce__(self) -> tuple[object, ...]:
        return print, ("this code came with the data",)


def test_a_checkpoint_cannot_run_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"net": Stranger()}, tmp_path / "checkpoint.pt")
    with pytest.raises(pickle.UnpicklingError, match=r"(?i)weights.only"):
        torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert capsys.readouterr().out == ""
