"""smoke_tests.accelerator: the probe is answered by a guest that runs, and by no other."""

import pytest

from practicum.engine import tools
from smoke_tests import accelerator
from smoke_tests.accelerator import EMULATION, FORCED, KVM, find_accelerator, runs_a_guest

needs_qemu = pytest.mark.skipif(not tools.find("qemu-system-x86_64"), reason="QEMU is not on this machine")


@needs_qemu
def test_emulated_guest_answers() -> None:
    assert runs_a_guest(EMULATION)


@needs_qemu
def test_guest_that_stands_still_or_cannot_start_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "DEADLINE", 3)
    assert not runs_a_guest((*EMULATION, "-S"))
    assert not runs_a_guest(("-accel", "no-such-thing"))


@needs_qemu
def test_kvm_is_taken_where_a_guest_runs_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FORCED, raising=False)
    find_accelerator.cache_clear()
    assert find_accelerator() == (KVM if runs_a_guest(KVM) else EMULATION)
    find_accelerator.cache_clear()


def test_variable_forces_emulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORCED, "tcg")
    find_accelerator.cache_clear()
    assert find_accelerator() == EMULATION
    find_accelerator.cache_clear()
