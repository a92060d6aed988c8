"""The appliance: what the roles know of it, what it says of itself, and the file as an output."""

import os
from pathlib import Path

import pytest
from checkout import SEMESTER, Checkout
from small_ova import write_raw

from practicum.architecture import AMD64, KERNEL
from practicum.engine.progress import Console
from practicum.ova import conformance as verify
from practicum.ova import disk, ovf
from practicum.ova import pack as ova
from practicum.ova.vmdk import write_stream_optimized
from practicum.recipes.appliance import report_drift
from practicum.semester import products, settings


def test_roles_know_the_semester(checkout: Checkout) -> None:
    semester = checkout.load()
    variables = settings.describe_roles(semester)
    course = variables["course"]
    assert (course["code"], course["slug"], course["name"]) == ("EE-559", "ee559", f"ee559-{SEMESTER}")
    assert (course["user"], course["access"], course["product"]) == ("student", "code", "appliance")
    packages = [AMD64.kernel if name == KERNEL else name for name in semester.debian.appliance_packages]
    assert variables["debian_packages"] == packages and AMD64.kernel in packages
    assert variables["keyboard_modules"] == list(AMD64.boot.keyboard) and variables["shared_folders"]
    assert variables["root_label"] == disk.LABEL and variables["python_label"] == disk.PYTHON_LABEL


def test_drift_from_debian_lock_is_told(checkout: Checkout, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installed = tmp_path / "debian.txt"
    installed.write_text("bash=5.3\ntree=2.1\n")
    report_drift(checkout.folder / "debian.lock", installed, Console(plain=True))
    told = capsys.readouterr().err
    assert "differs from debian.lock: bash: 5.2 became 5.3\n" in told and "tree: 2.1 is new" in told
    (checkout.folder / "debian.lock").unlink()
    report_drift(checkout.folder / "debian.lock", installed, Console(plain=True))
    assert capsys.readouterr().err == ""


# ---- what the machine says of itself -------------------------------------------------------------------------------


@pytest.mark.parametrize("access", ["code", "open"])
def test_machine_conforms_to_the_importer(checkout: Checkout, tmp_path: Path, access: str) -> None:
    checkout.replace('access = "code"', f'access = "{access}"')
    checkout.replace('institution = "EPFL"', 'institution = "École <&> Co"')
    semester = checkout.load()
    machine = settings.describe_machine(semester)
    vmdk, target = tmp_path / "disk.vmdk", tmp_path / "small.ova"
    write_stream_optimized(write_raw(tmp_path / "disk.raw"), vmdk, level=1)
    descriptor = ovf.describe(machine, ovf.Disk.of(vmdk, ova.disk_name(semester.product_name)))
    ova.write(target, descriptor, vmdk, name=semester.product_name, mtime=semester.epoch)
    report = verify.check(target)
    assert report.ok, report.render()
    assert ("OPEN ACCESS" in machine.description) == (access == "open")
    assert ("access code" in machine.description) == (access == "code")
    assert "http://localhost:8888/" in machine.description


def test_machine_forwards_from_loopback_alone_to_the_guests_own_ports(checkout: Checkout) -> None:
    checkout.replace("jupyter_port = 8888", "jupyter_port = 9999")
    checkout.replace("ssh_port = 2022", "ssh_port = 2222")
    machine = settings.describe_machine(checkout.load())
    assert machine.forwards == (
        ovf.Forward("jupyter", "127.0.0.1", 9999, 8888),
        ovf.Forward("ssh", "127.0.0.1", 2222, 22),
    )
    assert "http://localhost:9999/" in machine.description
    assert (machine.cpus, machine.memory_mb, machine.vendor) == (2, 4096, "EPFL")


# ---- the appliance as an output ------------------------------------------------------------------------------------


def test_appliance_that_was_replaced_or_removed_is_packed_again(checkout: Checkout) -> None:
    stage = products.list_ova(checkout.load())[-1]
    target = products.ova_path(checkout.load())
    assert target == checkout.root / f"dist/{SEMESTER}/ee559-{SEMESTER}.ova"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"good")
    folder = checkout.root / "output"
    folder.mkdir()
    status = target.stat()
    (folder / "ova.json").write_text(f'{{"bytes": {status.st_size}, "mtime_ns": {status.st_mtime_ns}}}')
    assert stage.still_there(folder)
    target.write_bytes(b"evil")
    os.utime(target, ns=(status.st_mtime_ns + 1, status.st_mtime_ns + 1))
    assert not stage.still_there(folder)
    target.unlink()
    assert not stage.still_there(folder)
