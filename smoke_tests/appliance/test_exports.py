"""What a real VirtualBox exports, `verify-ova` does not call refused; nor what VirtualBox refuses, imported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from practicum.engine import cache
from practicum.ova.conformance import IMPORT_RULES, check
from smoke_tests.sid import Unavailable
from smoke_tests.virtualbox import VBox, open_vbox, prepare_virtualbox

pytestmark = pytest.mark.timeout(1500)  # the first test may have to make VirtualBox's root

DISK = 8 << 20  # bytes
MACHINE = "small"
WITHOUT_DISK = "bare"
EXPORTS = {
    "ovf10": (MACHINE, "--ovf10"),
    "ovf10-manifest": (MACHINE, "--ovf10", "--manifest"),
    "ovf20": (MACHINE, "--ovf20"),
    "ovf20-manifest": (MACHINE, "--ovf20", "--manifest"),
    "ovf09": (MACHINE, "--ovf09"),
    "no-disk": (WITHOUT_DISK, "--ovf20", "--manifest"),
}


@pytest.fixture(scope="module")
def vbox() -> Iterator[VBox]:
    """Return a VirtualBox with two machines: one with a disk, two controllers and a port forward, one without disk."""
    try:
        root = prepare_virtualbox(cache.root())
    except Unavailable as reason:
        pytest.skip(f"no VirtualBox here: {reason}")
    with open_vbox(root) as vbox:
        with (vbox.home / "disk.raw").open("wb") as raw:
            raw.truncate(DISK)
            raw.write(b"content" * 30_000)
            raw.seek(DISK // 2)
            raw.write(b"more of it")
        for machine in (MACHINE, WITHOUT_DISK):
            succeed(vbox, "createvm", f"--name={machine}", "--ostype=Debian_64", "--register")
        forward = "--natpf1=web,tcp,127.0.0.1,8080,,80"
        succeed(vbox, "modifyvm", MACHINE, "--memory=512", "--cpus=2", "--nic1=nat", forward)
        succeed(vbox, "storagectl", MACHINE, "--name=IDE", "--add=ide", "--controller=PIIX4")
        sata = ("--add=sata", "--controller=IntelAhci", "--portcount=1")
        succeed(vbox, "storagectl", MACHINE, "--name=SATA", *sata)
        succeed(vbox, "convertfromraw", "/root/disk.raw", "/root/disk.vdi")
        place = ("--storagectl=SATA", "--port=0", "--device=0", "--type=hdd", "--medium=/root/disk.vdi")
        succeed(vbox, "storageattach", MACHINE, *place)
        yield vbox


def succeed(vbox: VBox, *arguments: str) -> None:
    done = vbox.manage(*arguments)
    assert done.returncode == 0, f"VBoxManage {' '.join(arguments)} failed:\n{done.output}"


def export(vbox: VBox, name: str, machine: str, *options: str) -> Path:
    succeed(vbox, "export", machine, f"--output=/root/{name}.ova", *options)
    return vbox.home / f"{name}.ova"


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_imports_and_breaks_promises_only(vbox: VBox, name: str) -> None:
    ova = export(vbox, name, *EXPORTS[name])
    report = check(ova)
    assert report.imports and not report.ok, report.render()
    assert report.verdict.startswith("VirtualBox imports it; "), report.verdict
    assert check(ova, IMPORT_RULES).ok
    vbox.unregister(vbox.import_ova(ova))


def test_both_refuse_a_damaged_export(vbox: VBox) -> None:
    """The manifest of OVF 1.0 has SHA1 sums, which nothing of practicum's own has."""
    ova = export(vbox, "damaged", *EXPORTS["ovf10-manifest"])
    data = bytearray(ova.read_bytes())
    data[len(data) // 2] ^= 1
    ova.write_bytes(data)
    report = check(ova, IMPORT_RULES)
    assert "manifest.digest" in {finding.rule for finding in report.broken}, report.render()
    refused = vbox.try_import(ova)
    assert refused.returncode != 0, refused.output
