"""The .ova in a real VirtualBox: what it is imported as, and that damage is refused."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from practicum.architecture import Architecture
from practicum.engine import cache
from practicum.semester.description import Semester
from practicum.semester.settings import name_appliance
from smoke_tests.sid import Unavailable
from smoke_tests.virtualbox import VBox, open_vbox, prepare_virtualbox

CONTROLLERS = {"AHCI": "IntelAhci", "VirtioSCSI": "VirtioSCSI"}
"""What showvminfo calls the controllers, by their names in the settings."""

pytestmark = pytest.mark.timeout(1500)  # the first test may have to make VirtualBox's root


@pytest.fixture(scope="module")
def vbox() -> Iterator[VBox]:
    try:
        root = prepare_virtualbox(cache.root())
    except Unavailable as reason:
        pytest.skip(f"no VirtualBox here: {reason}")
    with open_vbox(root) as vbox:
        yield vbox


@pytest.fixture(scope="module")
def name(vbox: VBox, ova: Path) -> str:
    return vbox.import_ova(ova)


@pytest.fixture(scope="module")
def imported(vbox: VBox, name: str) -> dict[str, str]:
    """Return what VirtualBox made of the appliance."""
    return vbox.showvminfo(name)


@pytest.fixture(scope="module")
def settings(vbox: VBox, imported: dict[str, str]) -> str:
    """Return the file that VirtualBox keeps of the machine."""
    return vbox.host_path(imported["CfgFile"]).read_text()


def test_is_the_version_students_have(vbox: VBox) -> None:
    assert vbox.version().startswith("7."), vbox.version()


def test_preview_names_product_and_url(vbox: VBox, ova: Path, semester: Semester) -> None:
    """What the import dialogue shows before anything is imported."""
    shown = vbox.try_import(ova, "--dry-run")
    assert shown.returncode == 0, shown.output
    assert "warning" not in shown.output.lower()
    fields = dict(
        re.findall(r"^ *\d+: (Product|Vendor|Version|Description)\b[^:\"]*:? *(.*)$", shown.output, re.MULTILINE)
    )
    assert semester.course.title in fields["Product"]
    assert semester.course.institution in fields["Vendor"]
    assert semester.id in fields["Version"]
    assert f"http://localhost:{semester.appliance.jupyter_port}" in shown.output


def test_machine_has_the_described_hardware(
    imported: dict[str, str], semester: Semester, architecture: Architecture
) -> None:
    assert imported["name"] == name_appliance(semester, architecture)
    assert imported["ostype"].startswith("Debian") and "64" in imported["ostype"]
    assert ("ARM" in imported["ostype"]) == (architecture.hardware.platform == "ARM")
    assert imported["cpus"] == str(semester.appliance.cpus)
    assert imported["memory"] == str(semester.appliance.memory_mb)
    assert imported["firmware"] == architecture.hardware.firmware
    assert imported["rtcuseutc"] == "on"
    assert imported["audio"] == "none"


def test_has_one_network_card_behind_nat(imported: dict[str, str]) -> None:
    cards = {key: value for key, value in imported.items() if re.fullmatch(r"nic\d+", key) and value != "none"}
    assert cards == {"nic1": "nat"}
    assert imported["nictype1"] == "82540EM"


def test_forwards_two_ports_from_loopback_only(imported: dict[str, str], semester: Semester) -> None:
    rules = {value for key, value in imported.items() if key.startswith("Forwarding(")}
    assert rules == {
        f"jupyter,tcp,127.0.0.1,{semester.appliance.jupyter_port},,8888",
        f"ssh,tcp,127.0.0.1,{semester.appliance.ssh_port},,22",
    }


def test_disk_is_on_one_controller_and_has_room(
    vbox: VBox,
    imported: dict[str, str],
    semester: Semester,
    architecture: Architecture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    controllers = {value for key, value in imported.items() if re.fullmatch(r"storagecontrollertype\d+", key)}
    assert controllers == {CONTROLLERS[architecture.hardware.controller]}
    controller = imported["storagecontrollername0"]
    # "SATA-0-0" is the medium's path; keys with another word in them ("SATA-ImageUUID-0-0") say more about it.
    media = {key: value for key, value in imported.items() if re.fullmatch(rf"{re.escape(controller)}-\d+-\d+", key)}
    attached = [value for value in media.values() if value != "none"]
    assert len(attached) == 1, media
    medium = vbox.showmediuminfo(attached[0])
    assert medium["Capacity"] == f"{semester.appliance.disk_gb * 1024} MBytes"
    with capsys.disabled():
        print(f"\n  size on the student's disk after import: {medium['Size on disk']}")


def test_saves_reach_the_disk(settings: str, architecture: Architecture) -> None:
    """Without the host's cache in between, a save that JupyterLab acknowledged survives the host's power cut."""
    controller = rf'<StorageController [^>]*type="{architecture.hardware.controller}"[^>]*useHostIOCache="false"'
    assert re.search(controller, settings), settings


def test_machine_is_of_the_right_platform(settings: str, architecture: Architecture) -> None:
    """VirtualBox imports what it takes for another without a word, and refuses to start it."""
    platforms = re.findall(r'<Platform architecture="(\w+)"', settings)
    # Settings of an older version name none, and are those of an x86.
    assert platforms == [*filter(None, [architecture.hardware.platform])], settings


def test_localhost_is_out_of_reach(settings: str) -> None:
    """VirtualBox's file says "true" where it allows this, and nothing where it does not; showvminfo says 1 for both."""
    assert re.search(r'slot="0"[^>]*>\s*<NAT>', settings), settings


def test_keyboard_and_pointer_are_there(settings: str, architecture: Architecture) -> None:
    """On USB where the platform has no others."""
    found = [bool(re.search(pattern, settings)) for pattern in (r'Keyboard="USBKeyboard"', r'<Controller [^>]*"XHCI"')]
    assert found == [architecture.hardware.usb] * 2, settings


def test_description_tells_what_to_do(imported: dict[str, str], semester: Semester) -> None:
    description = imported["description"]
    assert f"http://localhost:{semester.appliance.jupyter_port}" in description
    assert semester.course.code in description


def test_two_copies_get_different_addresses(vbox: VBox, ova: Path, imported: dict[str, str]) -> None:
    """The .ova brings no MAC address: two students, or one student's two copies, must not share it."""
    second = vbox.showvminfo(vbox.import_ova(ova))
    assert second["macaddress1"] != imported["macaddress1"]
    assert second["UUID"] != imported["UUID"]
    vbox.unregister(second["name"])


def test_refuses_a_damaged_download(vbox: VBox, ova: Path, tmp_path: Path) -> None:
    """One wrong bit in the middle of the disk: the manifest is there and VirtualBox reads it."""
    damaged = tmp_path / ova.name
    shutil.copyfile(ova, damaged)
    with tarfile.open(damaged) as archive:
        (member,) = [member for member in archive if member.name.endswith(".vmdk")]
    with damaged.open("r+b") as file:
        file.seek(member.offset_data + member.size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    before = vbox.machines()
    refused = vbox.try_import(damaged)
    assert refused.returncode != 0
    assert vbox.machines() == before
    assert re.search(r"digest|corrupt|mismatch|VERR_ZIP", refused.output, re.IGNORECASE), refused.output
