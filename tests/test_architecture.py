"""practicum.architecture: its values against the programs that know them, and that nobody else decides by one."""

import ast
import platform
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import ROOT

from practicum.architecture import AMD64, ARCHITECTURES, ARM64, Architecture, find_architecture, find_native
from practicum.engine import tools

each = pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.name)
WORDS = re.compile(r"(amd64|arm64|x86_64|aarch64)", re.IGNORECASE)
TABLES = {"practicum/architecture.py", "practicum/engine/tools.py"}
"""The values themselves, and which Debian package brings a program."""


def list_texts(path: Path) -> Iterator[str]:
    """Every text of a module, but for what stands alone as a statement: docstrings."""
    tree = ast.parse(path.read_text())
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


def list_comparisons(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare | ast.Match):
            yield ast.unparse(node)


def test_no_other_module_knows_an_architecture_by_its_name() -> None:
    modules = {str(path.relative_to(ROOT)): path for path in (ROOT / "practicum").rglob("*.py")}
    assert set(modules) >= TABLES
    for name in set(modules) - TABLES:
        assert not [text for text in list_texts(modules[name]) if WORDS.search(text)], name


def test_no_module_asks_which_architecture_it_has() -> None:
    for path in (ROOT / "practicum").rglob("*.py"):
        asked = [text for text in list_comparisons(path) if re.search(r"\b(AMD64|ARM64)\b", text) or WORDS.search(text)]
        assert not asked, f"{path}: {asked}"


def test_each_differs_in_every_name() -> None:
    for field in ("name", "machine", "suffix", "kernel", "platform", "emulator"):
        assert len({getattr(architecture, field) for architecture in ARCHITECTURES}) == len(ARCHITECTURES), field


@each
def test_it_is_found_by_its_name(architecture: Architecture) -> None:
    assert find_architecture(architecture.name) is architecture


def test_this_machine_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for architecture in ARCHITECTURES:
        monkeypatch.setattr(platform, "machine", lambda found=architecture.machine: found)
        assert find_native() is architecture
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert find_native() is None


@pytest.mark.skipif(tools.find("dpkg-architecture") is None, reason="dpkg-architecture is missing: install dpkg-dev")
@each
def test_debian_calls_the_machine_so(architecture: Architecture) -> None:
    asked = ["dpkg-architecture", f"-a{architecture.name}", "-q", "DEB_HOST_GNU_CPU"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == architecture.machine


@pytest.mark.skipif(tools.find("sfdisk") is None, reason="sfdisk is missing: install fdisk")
def test_sfdisk_knows_the_root_partitions() -> None:
    sfdisk = tools.find("sfdisk")
    assert sfdisk
    known = subprocess.run([sfdisk, "--label", "gpt", "--list-types"], capture_output=True, text=True, check=True)
    purposes = dict(re.findall(r"^([0-9A-F-]{36}) +(\S.*)$", known.stdout, re.MULTILINE))
    assert [purposes[architecture.boot.root] for architecture in (AMD64, ARM64)] == [
        "Linux root (x86-64)",
        "Linux root (ARM-64)",
    ]


def test_only_newer_settings_name_a_platform() -> None:
    """Of VirtualBox 7.2: 1.20 without a platform is refused, and an older version with one is imported as x86."""
    for architecture in ARCHITECTURES:
        version = tuple(int(part) for part in architecture.hardware.settings.split("."))
        assert bool(architecture.hardware.platform) == bool(architecture.hardware.chipset) == (version >= (1, 20))
