"""The OVF descriptor, read back with a parser that knows namespaces."""

import re
import uuid
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring, tostring

import pytest
from small_ova import APPLIANCE, ARM_APPLIANCE, CAPACITY, DISK, NAME, write_raw

from practicum.engine.errors import PracticumError
from practicum.ova import ovf
from practicum.ova.vmdk import write_stream_optimized

OVF = f"{{{ovf.NAMESPACES['ovf']}}}"
RASD = f"{{{ovf.NAMESPACES['rasd']}}}"
VBOX = f"{{{ovf.NAMESPACES['vbox']}}}"
IMAGE = uuid.UUID("0123abcd-0000-5000-8000-0123456789ab")
FILE = ovf.Disk(DISK, 1234, CAPACITY, IMAGE)


@pytest.fixture(scope="module")
def root() -> Element:
    return fromstring(ovf.describe(APPLIANCE, FILE))


def find(root: Element, path: str) -> Element:
    element = root.find(path)
    assert element is not None, path
    return element


def items(root: Element) -> dict[str, dict[str, str]]:
    """Resource type -> children of the item."""
    found = [{child.tag.removeprefix(RASD): child.text or "" for child in item} for item in root.iter(f"{OVF}Item")]
    return {item["ResourceType"]: item for item in found}


def test_sections_come_in_the_order_of_the_schema(root: Element) -> None:
    assert [child.tag.removeprefix(OVF) for child in root] == [
        "References", "DiskSection", "NetworkSection", "VirtualSystem",
    ]  # fmt: skip
    assert [re.sub(r"\{.*\}", "", child.tag) for child in find(root, f"{OVF}VirtualSystem")] == [
        "Info", "ProductSection", "AnnotationSection", "OperatingSystemSection", "VirtualHardwareSection", "Machine",
    ]  # fmt: skip


def test_the_disk_is_linked_through(root: Element) -> None:
    file, disk = find(root, f".//{OVF}File"), find(root, f".//{OVF}Disk")
    assert (file.get(f"{OVF}href"), file.get(f"{OVF}size")) == (DISK, "1234")
    assert disk.get(f"{OVF}fileRef") == file.get(f"{OVF}id")
    assert disk.get(f"{OVF}capacity") == str(CAPACITY)
    assert disk.get(f"{OVF}format", "").endswith("#streamOptimized")
    assert disk.get(f"{VBOX}uuid") == str(IMAGE)
    assert find(root, ".//{*}Image").get("uuid") == f"{{{IMAGE}}}"
    assert items(root)["17"]["HostResource"] == f"/disk/{disk.get(f'{OVF}diskId')}"
    assert items(root)["17"]["Parent"] == items(root)["20"]["InstanceID"]


def test_hardware_items(root: Element) -> None:
    found = items(root)
    assert found.keys() == {"3", "4", "10", "17", "20"}, "CPU, memory, network, disk, AHCI; no sound, no USB"
    assert found["3"]["VirtualQuantity"] == "2"
    assert (found["4"]["VirtualQuantity"], found["4"]["AllocationUnits"]) == ("4096", "MegaBytes")
    assert found["20"]["ResourceSubType"] == "AHCI"
    assert (found["10"]["ResourceSubType"], found["10"]["Connection"]) == ("E1000", "NAT")
    for item in root.iter(f"{OVF}Item"):
        names = [child.tag for child in item]
        assert names == sorted(names), "the schema wants alphabetical order"


def test_machine(root: Element) -> None:
    machine = find(root, f".//{VBOX}Machine")
    assert machine.get("version") == "1.16-linux" and machine.get("OSType") == "Debian_64"
    assert machine.get(f"{OVF}required") == "false" and machine[0].tag == f"{OVF}Info"
    assert [
        (rule.get("name"), rule.get("proto"), rule.get("hostip"), rule.get("hostport"), rule.get("guestport"))
        for rule in machine.iter(f"{OVF}Forwarding")
    ] == [("jupyter", "1", "127.0.0.1", "8888", "8888"), ("ssh", "1", "127.0.0.1", "2022", "22")]
    assert find(machine, ".//{*}AudioAdapter").get("enabled") == "false"
    assert find(machine, ".//{*}RTC").get("localOrUTC") == "UTC"
    assert find(machine, ".//{*}IOAPIC").get("enabled") == "true"
    assert find(machine, ".//{*}Display").get("controller") == "VMSVGA"
    assert find(machine, ".//{*}StorageController").get("useHostIOCache") == "false"
    adapter = find(machine, ".//{*}Adapter")
    assert (adapter.get("slot"), adapter.get("type"), adapter.get("MACAddress")) == ("0", "82540EM", None)
    assert find(adapter, "{*}NAT").get("localhost-reachable") == "false"


def test_machine_for_arm() -> None:
    """As a real VirtualBox 7.2.22 imports it: UEFI, an ARM platform, and no device that ARM lacks."""
    root = fromstring(ovf.describe(ARM_APPLIANCE, FILE))
    machine, hardware = find(root, f".//{VBOX}Machine"), find(root, f".//{VBOX}Machine/{OVF}Hardware")
    assert machine.get("version") == "1.20-linux" and machine.get("OSType") == "Debian_arm64"
    assert root.findtext(f".//{VBOX}OSType") == "Debian_arm64" and items(root)["20"]["ResourceSubType"] == "VirtioSCSI"
    assert [re.sub(r"\{.*\}", "", child.tag) for child in hardware] == [
        *("Memory", "Firmware", "HID", "USB", "Boot", "Display", "Network", "AudioAdapter"),
    ]
    assert find(hardware, "{*}Firmware").get("type") == "EFI"
    assert find(hardware, "{*}HID").attrib == {"Pointing": "USBTablet", "Keyboard": "USBKeyboard"}
    assert find(hardware, "{*}USB/{*}Controllers/{*}Controller").get("type") == "XHCI"
    assert find(hardware, "{*}Display").get("controller") == "QemuRamFB"
    assert find(machine, ".//{*}StorageController").get("type") == "VirtioSCSI"
    platform = machine[-1]
    assert platform.tag == f"{OVF}Platform" and platform.get("architecture") == "ARM"
    assert find(platform, "{*}CPU").get("count") == "2" and find(platform, "{*}RTC").get("localOrUTC") == "UTC"
    assert find(platform, "{*}Chipset").get("type") == "ARMv8Virtual"


def test_machines_of_two_architectures_differ_in_the_hardware_alone() -> None:
    one, other = (fromstring(ovf.describe(appliance, FILE)) for appliance in (APPLIANCE, ARM_APPLIANCE))
    for path in ("References", "DiskSection", "NetworkSection", "VirtualSystem/{*}ProductSection"):
        assert tostring(find(one, f"{{*}}{path}")) == tostring(find(other, f"{{*}}{path}"))
    for path in (".//{*}NAT/{*}Forwarding", ".//{*}Boot"):
        assert tostring(find(one, path)) == tostring(find(other, path))


def test_text_is_escaped_and_kept(root: Element) -> None:
    assert root.findtext(f".//{OVF}Product") == APPLIANCE.product
    assert root.findtext(f".//{OVF}Vendor") == "École"
    assert "http://localhost:8888/" in (root.findtext(f".//{OVF}Annotation") or "")


def test_prefixes_are_the_ones_virtualbox_looks_for() -> None:
    text = ovf.describe(APPLIANCE, FILE).decode()
    assert "<vbox:Machine " in text and '<vbox:OSType ovf:required="false">' in text
    assert "<Hardware>" in text and "ns0:" not in text
    assert text.startswith("<?xml version='1.0' encoding='UTF-8'?>\n<Envelope ")


def test_bytes_and_ids_depend_on_name_and_version_alone() -> None:
    assert ovf.describe(APPLIANCE, FILE) == ovf.describe(APPLIANCE, FILE)
    machine = APPLIANCE.derive_uuid("machine")
    assert machine.version == 5 and machine != APPLIANCE.derive_uuid("disk")
    assert replace(APPLIANCE, memory_mb=8192).derive_uuid("machine") == machine
    assert replace(APPLIANCE, version="1.1").derive_uuid("machine") != machine
    assert str(APPLIANCE.derive_uuid("disk")) in ovf.describe(APPLIANCE, replace(FILE, image_uuid=None)).decode()


def test_the_disk_describes_itself(tmp_path: Path) -> None:
    vmdk = tmp_path / "disk.vmdk"
    write_stream_optimized(write_raw(tmp_path / "disk.raw"), vmdk, level=1)
    disk = ovf.Disk.of(vmdk, DISK)
    assert (disk.file_name, disk.file_bytes, disk.capacity_bytes) == (DISK, vmdk.stat().st_size, CAPACITY)
    assert disk.image_uuid and disk.image_uuid.version == 5


def test_a_text_virtualbox_cannot_read_is_refused() -> None:
    with pytest.raises(PracticumError, match="Annotation"):
        ovf.describe(replace(APPLIANCE, description="é" * 5000), FILE)


def test_the_machine_has_the_name_of_the_appliance(root: Element) -> None:
    assert find(root, f"{OVF}VirtualSystem").get(f"{OVF}id") == NAME == find(root, f".//{VBOX}Machine").get("name")
