"""smoke_tests.accelerator: the probe is answered by a guest that runs, and by no other."""

import platform
from pathlib import Path

import pytest

from practicum.architecture import AMD64, ARCHITECTURES, Architecture
from practicum.engine import tools
from smoke_tests import accelerator, emulator
from smoke_tests.accelerator import FORCED, KVM, emulate, find_accelerator, probe_argv, runs_a_guest
from smoke_tests.saved_machine import Shelf

needs_qemu = pytest.mark.skipif(not tools.find("qemu-system-x86_64"), reason="QEMU is not on this machine")
each = pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.name)


def require_qemu(architecture: Architecture) -> None:
    if not tools.find(program := f"qemu-system-{architecture.machine}"):
        pytest.skip(f"{program} is not on this machine")


@pytest.fixture(autouse=True)
def forgotten():
    find_accelerator.cache_clear()
    yield
    find_accelerator.cache_clear()


@each
def test_emulated_guest_answers(architecture: Architecture) -> None:
    require_qemu(architecture)
    assert runs_a_guest(architecture, emulate(architecture))


@each
@pytest.mark.slow
def test_guest_that_stands_still_or_cannot_start_does_not(
    monkeypatch: pytest.MonkeyPatch, architecture: Architecture
) -> None:
    require_qemu(architecture)
    monkeypatch.setattr(accelerator, "DEADLINE", 3)
    assert not runs_a_guest(architecture, (*emulate(architecture), "-S"))
    assert not runs_a_guest(architecture, ("-accel", "no-such-thing"))


@each
def test_fetched_qemu_is_taken_with_its_firmware(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, architecture: Architecture
) -> None:
    monkeypatch.setattr(emulator, "FETCHED", tmp_path)
    name = f"qemu-system-{architecture.machine}"
    assert emulator.find_qemu(architecture) == [name]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / name).touch()
    found = emulator.find_qemu(architecture)
    assert found[0] == f"{tmp_path}/bin/{name}" and found[1:3] == ["-L", f"{tmp_path}/share/qemu"]
    assert probe_argv(architecture, tmp_path / "image", KVM)[: len(found)] == found


@needs_qemu
def test_kvm_is_taken_where_a_guest_runs_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FORCED, raising=False)
    runs = AMD64.is_native and runs_a_guest(AMD64, KVM)
    assert find_accelerator(AMD64) == (KVM if runs else emulate(AMD64))


@each
def test_another_processor_is_emulated_though_kvm_works(
    monkeypatch: pytest.MonkeyPatch, architecture: Architecture
) -> None:
    monkeypatch.delenv(FORCED, raising=False)
    monkeypatch.setattr(accelerator.os, "access", lambda *_: True)
    monkeypatch.setattr(accelerator, "runs_a_guest", lambda *_: True)
    monkeypatch.setattr(platform, "machine", lambda: architecture.machine)
    assert [find_accelerator(one) == KVM for one in ARCHITECTURES] == [one is architecture for one in ARCHITECTURES]


@each
def test_variable_forces_emulation(monkeypatch: pytest.MonkeyPatch, architecture: Architecture) -> None:
    monkeypatch.setenv(FORCED, "tcg")
    assert find_accelerator(architecture) == emulate(architecture)


@each
def test_version_is_told(architecture: Architecture) -> None:
    require_qemu(architecture)
    assert emulator.read_version(architecture).startswith("QEMU emulator version ")


def test_a_machine_that_another_qemu_saved_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "a.ova").write_bytes(b"disk")
    older, newer = (Shelf(tmp_path / "a.ova", tmp_path / "machines", version).folder for version in ("7.2", "10.0"))
    assert older != newer and not older.exists() and newer.is_dir()
