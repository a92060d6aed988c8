"""practicum.images.emulator, and who asks it: each way in which a registration is of no use."""

import os
from pathlib import Path

import pytest
from checkout import Checkout

from practicum.architecture import AMD64, ARCHITECTURES, ARM64, Architecture, find_native
from practicum.commands import build, preflight
from practicum.engine import tools
from practicum.engine.errors import PracticumError
from practicum.images import emulator

GOOD = """\
enabled
interpreter {interpreter}
flags: PF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the registrations with a good one, on a machine that has arch-test."""
    folder, programs = tmp_path / "binfmt_misc", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    (folder / "status").write_text("enabled\n")
    for name in ("qemu-aarch64-static", "arch-test"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    (folder / "qemu-aarch64").write_text(GOOD.format(interpreter=programs / "qemu-aarch64-static"))
    return folder


def spoil(folder: Path, before: str, after: str) -> str:
    path = folder / "qemu-aarch64"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    with pytest.raises(PracticumError) as caught:
        emulator.require_emulator("qemu-aarch64", folder)
    return str(caught.value)


def test_good_registration_is_enough(folder: Path) -> None:
    emulator.require_emulator("qemu-aarch64", folder)


def test_each_obstacle_is_one_line_with_its_cure(folder: Path) -> None:
    path = folder / "qemu-aarch64"
    with pytest.raises(PracticumError, match=r"^qemu-riscv64: not registered: .*; run as root: make emulator$"):
        emulator.require_emulator("qemu-riscv64", folder)
    good = path.read_text()
    assert spoil(folder, "enabled", "disabled").endswith(f"; switch it on as root: echo 1 >{path}")
    path.write_text(good)
    assert "without the flag F, so that containers do not find it; remove it as root: " in spoil(folder, "PF", "P")
    path.write_text(good)
    told = spoil(folder, "qemu-aarch64-static", "no-such-file")
    assert "no-such-file is gone: its package was removed; remove it as root: echo -1 >" in told
    (folder / "status").unlink()
    with pytest.raises(PracticumError, match=r"binfmt_misc is not mounted at .*; run as root: make emulator$"):
        emulator.require_emulator("qemu-aarch64", folder)


def test_missing_arch_test_is_named_with_its_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    if tools.find(emulator.TEST):
        pytest.skip("arch-test is installed here, where it is found without PATH")
    with pytest.raises(PracticumError, match="arch-test; install with: apt-get install arch-test"):
        emulator.require_emulator("qemu-aarch64", folder)


# ---- who asks ------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []
    monkeypatch.setattr(build, "require_emulator", asked.append)
    return asked


def test_machine_needs_no_emulator_for_itself(asked: list[str]) -> None:
    build.require_emulators(ARCHITECTURES)
    assert asked == [architecture.emulator for architecture in ARCHITECTURES if architecture != find_native()]


def test_preflight_speaks_of_it_only_where_it_is_needed(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise PracticumError(name, "not registered", emulator.CURE)

    def inspect(*architectures: Architecture) -> list[tuple[bool, str]]:
        asked = preflight.Build(checkout.load(), ("ova",), (), architectures)
        return [(one.ok, one.detail) for one in preflight.inspect(asked) if one.subject == "emulator"]

    monkeypatch.setattr(preflight.Build, "list_stages", lambda _: [])
    for name in ("find_index", "find_packages"):
        monkeypatch.setattr(preflight.sources, name, lambda *_: "")
    monkeypatch.setattr(build, "require_emulator", refuse)
    other = ARM64 if find_native() == AMD64 else AMD64
    own = next(one for one in ARCHITECTURES if one != other)
    assert inspect(own) == []
    assert inspect(own, other) == [(False, f"{other.emulator}: not registered; run as root: make emulator")]
    monkeypatch.setattr(build, "require_emulator", lambda name: None)
    assert inspect(own, other) == [(True, f"registered for {other.name}")]
