"""Every rule of the verifier has a file that breaks it, and nothing crashes the verifier."""

import json
import random
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from small_ova import (
    ARM_APPLIANCE,
    CAPACITY,
    DISK,
    MTIME,
    NAME,
    Good,
    build_good,
    build_vmdk,
    describe,
    grain_stream,
    patch_headers,
    tar,
    write_raw,
)

from practicum.engine.errors import PracticumError
from practicum.ova import conformance as verify
from practicum.ova import pack as ova
from practicum.ova.vmdk_format import GRAIN, SECTOR, pack_marker

DOCS = Path(__file__).parent.parent / "docs"
HARDWARE = b"</VirtualHardwareSection>"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    return build_good(tmp_path_factory.mktemp("good"))


def judge(folder: Path, data: bytes) -> verify.Report:
    file = folder / "case.ova"
    file.write_bytes(data)
    return verify.check(file)


def broken_by(report: verify.Report) -> set[str]:
    return {finding.rule for finding in report.broken}


@dataclass(frozen=True)
class Case:
    """A file that breaks `rule`, and as a consequence the rules `also`."""

    rule: str
    name: str
    build: Callable[[Good], bytes]
    also: frozenset[str] = frozenset()


CASES: list[Case] = []


def case(rule: str, name: str, build: Callable[[Good], bytes], *also: str) -> None:
    CASES.append(Case(rule, name, build, frozenset(also)))


def text(rule: str, name: str, old: str, new: str, *also: str, times: int = 1) -> None:
    """A case made by replacing text of the descriptor."""

    def build(good: Good) -> bytes:
        changed = good.descriptor.replace(old.encode(), new.encode(), times)
        assert changed != good.descriptor, f"{old!r} is not in the descriptor"
        return good.pack(descriptor=changed)

    case(rule, name, build, *also)


def cut(rule: str, name: str, pattern: str, *also: str) -> None:
    """A case made by removing what matches from the descriptor."""

    def build(good: Good) -> bytes:
        changed = re.sub(pattern.encode(), b"", good.descriptor, flags=re.DOTALL)
        assert changed != good.descriptor, f"{pattern!r} is not in the descriptor"
        return good.pack(descriptor=changed)

    case(rule, name, build, *also)


def arm(rule: str, name: str, old: str, new: str, *also: str) -> None:
    """A case made by replacing text of the descriptor of a machine for ARM."""

    def build(good: Good) -> bytes:
        descriptor = describe(good.disk, appliance=ARM_APPLIANCE)
        changed = descriptor.replace(old.encode(), new.encode(), 1)
        assert changed != descriptor, f"{old!r} is not in the descriptor"
        return good.pack(descriptor=changed)

    case(rule, f"ARM, {name}", build, *also)


def disk(rule: str, name: str, change: Callable[[bytes], bytes], *also: str) -> None:
    """A case made by changing the good disk; the descriptor fits the new size."""
    case(rule, name, lambda good: good.pack(disk=change(good.disk)), *also)


def built(rule: str, name: str, build: Callable[[], bytes], *also: str) -> None:
    """A case around a disk of its own."""
    case(rule, name, lambda good: good.pack(disk=build()), *also)


def members(rule: str, name: str, change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]], *also: str):
    case(rule, name, lambda good: good.pack(members=change), *also)


def manifest(rule: str, name: str, change: Callable[[bytes], bytes], *also: str) -> None:
    case(rule, name, lambda good: good.pack(manifest=change), *also)


def put(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def header_of(data: bytes, member: str) -> int:
    """Where the tar header of a member starts."""
    return data.index(member.encode().ljust(100, b"\0"))


def item(kind: int, extra: str = "", attributes: str = "") -> str:
    return (
        f"<Item{attributes}>{extra}<rasd:InstanceID>99</rasd:InstanceID><rasd:ResourceType>{kind}</rasd:ResourceType></Item>"
        + HARDWARE.decode()
    )


# --- tar -------------------------------------------------------------------------------------------------------------


def damage_header(good: Good) -> bytes:
    data = good.pack()
    return put(data, header_of(data, DISK) + 110, b"\x07")


def binary_size(good: Good) -> bytes:
    """The disk's size as GNU tar writes large ones."""
    data = good.pack()
    start = header_of(data, DISK)
    header = bytearray(data[start : start + 512])
    header[124:136] = b"\x80" + len(good.disk).to_bytes(11)
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    return put(data, start, bytes(header))


def without_end(good: Good) -> bytes:
    data = good.pack()
    return data[: header_of(data, DISK) + 512 + len(good.disk)]


case("tar.header", "damaged", damage_header, "ovf.file")
case("tar.format", "PAX", lambda good: good.pack(tar_format=tarfile.PAX_FORMAT), "tar.names", "tar.members")
case("tar.ustar", "GNU", lambda good: good.pack(tar_format=tarfile.GNU_FORMAT))
case("tar.ustar", "binary size", binary_size)
members("tar.regular", "folder", lambda files: [*files, ("folder/", b"")], "tar.members", "tar.names")
members("tar.first", "folder", lambda files: [("folder/", b""), *files], "tar.regular", "tar.members", "tar.names")
case(
    "tar.names",
    "./ in front",
    lambda good: good.pack(
        descriptor=good.descriptor.replace(DISK.encode(), b"./" + DISK.encode()),
        manifest=lambda lines: lines.replace(DISK.encode(), b"./" + DISK.encode()),
        members=lambda files: [*files[:2], (f"./{DISK}", files[2][1])],
    ),
)
members("tar.names", "twice", lambda files: [*files, files[1]], "tar.order")
members("tar.order", "disk first", lambda files: [files[2], files[0], files[1]])
members("tar.order", "manifest last", lambda files: [files[0], files[2], files[1]])
members("tar.members", "a stranger", lambda files: [*files, ("readme.txt", b"hello")])
members("tar.members", "two descriptors", lambda files: [*files, ("b.ovf", files[0][1])])
members("file.kind", "no descriptor", lambda files: files[1:])
case("file.kind", "no archive", lambda _: b"This is no archive.\n" * 100)
case("tar.end", "no zero blocks", without_end)
case("tar.end", "one zero block", lambda good: without_end(good) + bytes(512))
case("tar.tail", "bytes behind", lambda good: good.pack() + b"more".ljust(512, b"\0"))
case("tar.tail", "no whole block", lambda good: without_end(good) + bytes(1200))
case("tar.tail", "zeros without end", lambda good: without_end(good) + bytes(100 * 1024))
case("file.complete", "cut download", lambda good: good.pack()[: -len(good.disk) // 2])
case("file.complete", "cut header", lambda good: good.pack()[: header_of(good.pack(), DISK) + 300])

# --- manifest --------------------------------------------------------------------------------------------------------

NO_LINES = ("manifest.form", "manifest.cover")

members("manifest.present", "missing", lambda files: [files[0], files[2]])
members("manifest.present", "other name", lambda files: [files[0], ("other.mf", files[1][1]), files[2]])
manifest("manifest.line", "no line", lambda lines: b"hello\n" + lines, "manifest.form")
manifest("manifest.line", "of sha256sum", lambda lines: re.sub(rb"SHA256\((.*)\)= (.*)", rb"\2  \1", lines), *NO_LINES)
manifest(
    "manifest.line",
    "MD5 of SHA256's length",
    lambda lines: lines.replace(b"SHA256", b"MD5"),
    "manifest.form",
    "manifest.digest",
)
manifest("manifest.line", "no UTF-8", lambda lines: lines + b"SHA256(\xe9)= " + b"0" * 64 + b"\n", "manifest.extra")
manifest("manifest.line", "short digest", lambda lines: lines[:-10] + b"\n", "manifest.form", "manifest.digest")
manifest("manifest.form", "no line end", lambda lines: lines.rstrip(), "manifest.cover")
manifest("manifest.form", "upper case", lambda lines: re.sub(rb"= .*", lambda digest: digest[0].upper(), lines))
manifest("manifest.form", "spaces", lambda lines: lines.replace(b"(", b" (").replace(b")=", b") ="))
manifest("manifest.form", "unknown method", lambda lines: lines.replace(b"SHA256", b"BLAKE2"), "manifest.cover")
manifest("manifest.digest", "changed disk", lambda lines: lines[:-10] + b"012345678\n")
manifest("manifest.cover", "no disk", lambda lines: lines.split(b"\n")[0] + b"\n")
manifest("manifest.cover", "disk twice", lambda lines: lines + lines.split(b"\n")[1] + b"\n")
manifest(
    "manifest.extra", "itself", lambda lines: lines + f"SHA256({NAME}.mf)= {'0' * 64}\n".encode(), "manifest.digest"
)
manifest("manifest.extra", "a stranger", lambda lines: lines + f"SHA256(boot.iso)= {'0' * 64}\n".encode())

# --- OVF -------------------------------------------------------------------------------------------------------------

text("ovf.xml", "not well-formed", "</Envelope>", "</Envelop>")
text("ovf.doctype", "with entities", "<Envelope", '<!DOCTYPE a [<!ENTITY b "c">]><Envelope')
text("ovf.doctype", "without entities", "<Envelope", "<!DOCTYPE Envelope><Envelope")
text("ovf.xml", "unknown encoding", "UTF-8", "UTF-9")


def other_prefix(good: Good) -> bytes:
    return good.pack(
        descriptor=good.descriptor.replace(b"xmlns:vbox=", b"xmlns:vb=")
        .replace(b"<vbox:", b"<vb:")
        .replace(b"</vbox:", b"</vb:")
        .replace(b"vbox:uuid", b"vb:uuid")
    )


case("ovf.namespace", "other prefix", other_prefix)
text("ovf.version", "2", "/envelope/1", "/envelope/2", times=9)
text("ovf.version", "draft", "http://schemas.dmtf.org/ovf/envelope/1", "urn:draft", times=9)
text("ovf.namespace", "other root", "Envelope", "Package", "ovf.version", times=9)
text("ovf.length", "long text", "Start the machine and", "x" * 8192)
text("ovf.length", "long id", '"vmdisk1"', f'"{"n" * 64}"', "ovf.disk-item", "ovf.attached", "machine.disk")
text("ovf.one-system", "long name", f'VirtualSystem ovf:id="{NAME}"', f'VirtualSystem ovf:id="{"n" * 1024}"')
text("ovf.size", "wrong", 'ovf:size="', 'ovf:size="1')
text("ovf.file", "compression", "ovf:size=", 'ovf:compression="gzip" ovf:size=')
text("ovf.file", "no id", 'ovf:id="file1"', "", "ovf.disk")
members("ovf.file", "missing disk", lambda files: files[:2])
cut(
    "ovf.has-disk",
    "none",
    "<References>.*</DiskSection>|<Item>(?:(?!</Item>).)*HostResource.*?</Item>|<AttachedDevice.*?</AttachedDevice>",
    "tar.members",
    "manifest.extra",
)
text("ovf.disk", "no capacity", f'ovf:capacity="{CAPACITY}"', "")
text("ovf.disk", "no number", f'ovf:capacity="{CAPACITY}"', 'ovf:capacity="large"', "ovf.capacity")
text("ovf.disk", "loose reference", 'fileRef="file1"', 'fileRef="file2"')
text("ovf.format", "plain VMDK", "#streamOptimized", "#sparse")
text("ovf.capacity", "other number", f'ovf:capacity="{CAPACITY}"', f'ovf:capacity="{CAPACITY * 2}"')
text("ovf.capacity", "unit", 'AllocationUnits="byte"', 'AllocationUnits="byte * 2^30"')
cut("ovf.system", "none", "<VirtualSystem .*</VirtualSystem>", "ovf.one-system")
text("ovf.one-system", "no id", f'VirtualSystem ovf:id="{NAME}"', "VirtualSystem")
text("ovf.one-system", "two", "</Envelope>", '<VirtualSystem ovf:id="b"/></Envelope>')
text("ovf.product", "no vendor", "<Vendor>École</Vendor>", "")
text("ovf.product", "no URL", "http://localhost:8888/", "the address")
text("ovf.os-type", "Ubuntu", '<OperatingSystemSection ovf:id="96">', '<OperatingSystemSection ovf:id="94">')
text("ovf.os", "no id", '<OperatingSystemSection ovf:id="96">', "<OperatingSystemSection>", "ovf.os-type")
text("ovf.os-type", "other type", "Debian_64</vbox:OSType>", "Ubuntu_64</vbox:OSType>")
text("ovf.item-id", "same id", "<rasd:InstanceID>5<", "<rasd:InstanceID>4<")
text("ovf.item", "no type", HARDWARE.decode(), item(0).replace("<rasd:ResourceType>0</rasd:ResourceType>", ""))
text("ovf.item-type", "unknown", HARDWARE.decode(), item(77))
text("ovf.cpu", "none", "<rasd:ResourceType>3<", "<rasd:ResourceType>15<")
text("ovf.cpu", "zero", "<rasd:VirtualQuantity>2<", "<rasd:VirtualQuantity>0<", "machine.hardware")
text("ovf.memory-unit", "unknown", "MegaBytes", "KiloBytes")
text(
    "ovf.memory",
    "two",
    HARDWARE.decode(),
    item(4, "<rasd:AllocationUnits>MB</rasd:AllocationUnits>"),
    "machine.hardware",
)
text("ovf.controller-type", "unknown", "Type>AHCI<", "Type>Floppy<", "ovf.controller")
text("ovf.controller", "type", "<rasd:ResourceSubType>AHCI<", "<rasd:ResourceSubType>NVMe<")
text("ovf.controller", "IDE too", HARDWARE.decode(), item(5))
text("ovf.disk-item", "parent", "<rasd:Parent>3<", "<rasd:Parent>2<")
text("ovf.disk-item", "resource", "/disk/vmdisk1", "/disk/vmdisk2", "ovf.attached", "machine.disk")
text("ovf.attached", "port", "<rasd:AddressOnParent>0<", "<rasd:AddressOnParent>30<")
text("ovf.network-card", "bridged", "<rasd:Connection>NAT<", "<rasd:Connection>VM Network<", "ovf.network")
text("ovf.network-card", "model", "E1000", "VmxNet3")
text("ovf.network", "not defined", '<Network ovf:name="NAT">', '<Network ovf:name="nat1">')

# --- vbox:Machine ----------------------------------------------------------------------------------------------------

text("machine.present", "required", '<vbox:Machine ovf:required="false"', "<vbox:Machine")
text("machine.settings", "uuid", 'uuid="{', 'uuid="')
text("machine.present", "type", 'OSType="Debian_64"', 'OSType="Linux26_64"')
text("machine.present", "no Info first", "<ovf:Info>VirtualBox machine settings</ovf:Info>", "")
text("machine.version", "newer", "1.16-linux", "1.19-linux")
text("machine.version", "none", ' version="1.16-linux"', "")
text("machine.settings", "too old", "1.16-linux", "1.0-linux")
text("machine.settings", "no version", "1.16-linux", "new", "machine.version")
text("machine.settings", "no name", f' name="{NAME}" OSType', " OSType")
text("machine.processor", "not named", "1.16-linux", "1.20-linux", "machine.version")
text(
    "machine.processor", "named", "</vbox:Machine>", '<Platform architecture="ARM"/></vbox:Machine>', "machine.platform"
)
text("machine.firmware", "UEFI", 'Firmware type="BIOS"', 'Firmware type="EFI"')
text("machine.display", "old", 'controller="VMSVGA"', 'controller="VBoxVGA"')
arm("machine.processor", "imported as x86", "1.20-linux", "1.19-linux", "machine.version")
arm("machine.version", "newer", "1.20-linux", "1.21-linux")
arm("machine.processor", "none", '<Platform architecture="ARM">', "<Platform>", "machine.platform")
arm("machine.processor", "x86", 'architecture="ARM"', 'architecture="x86"', "machine.platform")
arm("machine.platform", "chipset", "ARMv8Virtual", "ICH9")
arm("machine.firmware", "BIOS", 'Firmware type="EFI"', 'Firmware type="BIOS"')
arm("machine.firmware", "not named", '<Firmware type="EFI" />', "")
arm("machine.display", "slow", "QemuRamFB", "VMSVGA")
arm("machine.input", "PS/2 keyboard", "USBKeyboard", "PS2Keyboard")
arm("machine.input", "PS/2 mouse", "USBTablet", "PS2Mouse")
arm("machine.input", "no USB", 'type="XHCI"', 'type="OHCI"')
arm("machine.storage", "AHCI", 'type="VirtioSCSI"', 'type="AHCI"')
arm("machine.hardware", "CPUs", '<CPU count="2"', '<CPU count="4"')
arm("ovf.controller", "AHCI", "<rasd:ResourceSubType>VirtioSCSI<", "<rasd:ResourceSubType>AHCI<")
arm("ovf.os-type", "x86", "Debian_arm64</vbox:OSType>", "Debian_64</vbox:OSType>")
cut("machine.attached", "no device", "<AttachedDevice.*</AttachedDevice>")
text("machine.disk", "other image", '<Image uuid="{', '<Image uuid="{0', "machine.attached")
text("machine.disk", "braces", 'vbox:uuid="', 'vbox:uuid="{', "machine.attached")
text("machine.storage", "SAS", 'type="AHCI"', 'type="LsiLogicSas"')
text("machine.port", "IDE", 'type="AHCI"', 'type="PIIX4"', "machine.storage")
text("machine.storage", "host cache", 'useHostIOCache="false"', 'useHostIOCache="true"')
text("machine.port", "none", 'PortCount="1"', 'PortCount="0"')
text("machine.hardware", "CPUs", '<CPU count="2"', '<CPU count="4"')
text("machine.hardware", "memory", 'RAMSize="4096"', 'RAMSize="2048"')
text("machine.adapter", "model", "82540EM", "virtio")
text("machine.adapter", "bridged too", "<NAT ", "<BridgedInterface/><NAT ")
text(
    "machine.adapter",
    "second card",
    "</Adapter>",
    '</Adapter><Adapter slot="1" enabled="true" type="82540EM"><NAT/></Adapter>',
)
text("machine.mac", "address", 'cable="true"', 'cable="true" MACAddress="080027000001"')


def second_scsi(good: Good) -> bytes:
    """The disk hangs on the second SCSI controller, of which VirtualBox makes one."""
    first = b"<Item><rasd:InstanceID>99</rasd:InstanceID><rasd:ResourceType>6</rasd:ResourceType></Item><Item>"
    scsi = good.descriptor.replace(b"ResourceType>20<", b"ResourceType>6<")
    return good.pack(descriptor=scsi.replace(b"<Item>", first, 1))


case("ovf.disk-item", "second SCSI controller", second_scsi, "ovf.controller")


def without_forwards(good: Good) -> bytes:
    lines = good.descriptor.split(b"\n")
    return good.pack(descriptor=b"\n".join(line for line in lines if b"<Forwarding" not in line))


case("machine.forward", "none", without_forwards)
text("machine.forward", "no name", 'Forwarding name="ssh"', "Forwarding")
text("machine.forward-host", "everywhere", 'hostip="127.0.0.1"', 'hostip="0.0.0.0"')
text("machine.forward-host", "none", 'hostip="127.0.0.1"', "")
text("machine.forward-host", "other loopback", 'hostip="127.0.0.1"', 'hostip="127.0.0.2"')
text("machine.localhost", "not said", ' localhost-reachable="false"', "")
text("machine.localhost", "in reach", 'localhost-reachable="false"', 'localhost-reachable="true"')
text("machine.forward-tcp", "UDP", 'proto="1"', 'proto="0"')
text("machine.forward", "port zero", 'hostport="8888"', 'hostport="0"')
text("machine.forward-port", "too large", 'guestport="22"', 'guestport="65536"')
text("machine.forward-port", "no number", 'hostport="2022"', 'hostport="ssh"')
text("machine.forward-name", "twice", 'Forwarding name="ssh"', 'Forwarding name="jupyter"')
text("machine.forward-unique", "port", 'hostport="2022"', 'hostport="8888"')
text("machine.sound", "enabled", '<AudioAdapter enabled="false"', '<AudioAdapter enabled="true"')
text("machine.sound", "item", HARDWARE.decode(), item(35))
text("machine.host-ties", "folder", "<RTC ", '<SharedFolders><SharedFolder name="a"/></SharedFolders><RTC ')
text("machine.host-ties", "serial", "<RTC ", '<UART><Port slot="0" enabled="true"/></UART><RTC ')
text("machine.host-ties", "NVRAM", '<IOAPIC enabled="true" />', '<IOAPIC enabled="true" /><NVRAM path="x"/>')

# --- VMDK ------------------------------------------------------------------------------------------------------------

FIRST_GRAIN = 128 * SECTOR


def table_entry(data: bytes, index: int, value: int) -> bytes:
    """Change an entry of the first grain table."""
    directory = struct.unpack_from("<Q", data, len(data) - 2 * SECTOR + 56)[0]
    table = struct.unpack_from("<I", data, directory * SECTOR)[0]
    return put(data, table * SECTOR + 4 * index, struct.pack("<I", value))


def retype_table_marker(data: bytes) -> bytes:
    marker = pack_marker(1, 4)
    return put(data, data.index(marker), pack_marker(2, 4))


def far_directory(data: bytes) -> bytes:
    return put(data, len(data) - 2 * SECTOR + 56, struct.pack("<Q", 1 << 40))


def keep_length(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Replace text of the embedded descriptor, which ends in zeros, without moving the rest."""

    def change(data: bytes) -> bytes:
        block = data[SECTOR : 21 * SECTOR]
        assert old in block
        return put(data, SECTOR, block.replace(old, new).rstrip(b"\0").ljust(20 * SECTOR, b"\0"))

    return change


def beyond_two_tib(good: Good) -> bytes:
    sectors = 1 << 32
    extent = keep_length(f"RDONLY {CAPACITY // SECTOR} ".encode(), f"RDONLY {sectors} ".encode())
    return good.pack(disk=extent(patch_headers(good.disk, capacity=sectors)), capacity=sectors * SECTOR)


def bloated_stream() -> bytes:
    """A zlib stream that inflates to one grain, but has more than 128 KiB: empty stored blocks in front."""
    plain = b"x" * GRAIN
    stored = b"\x00" + struct.pack("<HH", 0, 0xFFFF)
    raw = zlib.compressobj(wbits=-15)
    return b"\x78\x01" + stored * 30_000 + raw.compress(plain) + raw.flush() + struct.pack(">I", zlib.adler32(plain))


disk("vmdk.magic", "other file", lambda data: put(data, 0, b"QFI\xfb"))
disk("vmdk.magic", "line ends", lambda data: patch_headers(data, newlines=b"\n \n\n"))
case("vmdk.magic", "empty", lambda good: good.pack(disk=b"KDMV"))
disk("vmdk.version", "2", lambda data: patch_headers(data, version=2), "vmdk.flags")
disk("vmdk.flags", "version 1", lambda data: patch_headers(data, version=1))
disk("vmdk.flags", "uncompressed", lambda data: patch_headers(data, flags=0x1))
disk("vmdk.flags", "method", lambda data: patch_headers(data, compression=0))
disk("vmdk.geometry", "grain", lambda data: patch_headers(data, grain_sectors=16))
disk("vmdk.geometry", "table", lambda data: patch_headers(data, table_entries=1024))
disk("vmdk.descriptor", "type", keep_length(b"streamOptimized", b"monolithicSparse"))
disk("vmdk.parent", "named", keep_length(b"parentCID=ffffffff", b"parentCID=12345678"))
disk("vmdk.descriptor", "extent", keep_length(f"RDONLY {CAPACITY // SECTOR} ".encode(), b"RDONLY 1 "))
disk("vmdk.descriptor", "id", keep_length(b'ddb.uuid.image="', b'ddb.uuid.image="{'))
case("vmdk.capacity", "beyond 2 TiB", beyond_two_tib, "vmdk.directory")
disk("vmdk.grain", "damaged", lambda data: put(data, FIRST_GRAIN + 20, b"\xff\xff\xff\xff"))
built("vmdk.grain", "too short", lambda: build_vmdk([(0, grain_stream(size=GRAIN // 2))]))
built("vmdk.grain", "too long", lambda: build_vmdk([(0, grain_stream(size=GRAIN * 2))]))
built("vmdk.grain", "bloated", lambda: build_vmdk([(0, bloated_stream())]))
built("vmdk.grain", "off the disk", lambda: build_vmdk([(CAPACITY // GRAIN, grain_stream())]))
built("vmdk.order", "backwards", lambda: build_vmdk([(7, grain_stream()), (3, grain_stream())]))
built("vmdk.records", "unknown marker", lambda: build_vmdk([(0, grain_stream())], before_directory=pack_marker(9, 0)))
disk("vmdk.end", "cut", lambda data: data[:-SECTOR], "vmdk.directory")
disk("vmdk.footer", "capacity", lambda data: put(data, len(data) - 2 * SECTOR + 12, b"\1"))
disk("vmdk.footer", "marker", lambda data: put(data, len(data) - 3 * SECTOR, pack_marker(1, 1)))
disk("vmdk.records", "directory before grains", retype_table_marker, "vmdk.directory")
disk("vmdk.directory", "out of the file", far_directory)
disk("vmdk.table", "hole", lambda data: table_entry(data, 3, 0))
disk("vmdk.table", "wrong sector", lambda data: table_entry(data, 3, 130))
disk("vmdk.table", "grain out of nothing", lambda data: table_entry(data, 99, 128))
built(
    "vmdk.table",
    "forgotten grain",
    lambda: build_vmdk([(0, grain_stream()), (1, grain_stream())], forget=frozenset({1})),
)
disk("vmdk.redundant", "flag without directory", lambda data: patch_headers(data, flags=0x30003))


# --- the tests -------------------------------------------------------------------------------------------------------


def test_the_good_file_conforms(tmp_path: Path, good: Good) -> None:
    report = judge(tmp_path, good.pack())
    assert report.ok, report.render()
    assert [finding.rule for finding in report.findings] == [rule.id for rule in verify.RULES]


def test_machine_for_arm_conforms(tmp_path: Path, good: Good) -> None:
    report = judge(tmp_path, good.pack(descriptor=describe(good.disk, appliance=ARM_APPLIANCE)))
    assert report.ok, report.render()


def test_machine_that_names_no_known_system_is_judged_as_one_for_x86(tmp_path: Path, good: Good) -> None:
    descriptor = good.descriptor.replace(b"Debian_64", b"Ubuntu_64")
    assert broken_by(judge(tmp_path, good.pack(descriptor=descriptor))) == {"ovf.os-type", "machine.present"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.name}")
def test_exactly_this_rule_is_broken(tmp_path: Path, good: Good, case: Case) -> None:
    report = judge(tmp_path, case.build(good))
    assert broken_by(report) == {case.rule, *case.also}, report.render()
    assert not report.ok


def test_every_rule_has_a_file_that_breaks_it() -> None:
    assert {case.rule for case in CASES} == {rule.id for rule in verify.RULES}


def test_ids_are_unique_and_documented() -> None:
    ids = [rule.id for rule in verify.RULES]
    assert len(ids) == len(set(ids))
    assert verify.render_table() in (DOCS / "verify-ova.md").read_text(encoding="utf-8"), (
        "put the output of verify.render_table() into the page"
    )


def test_items_nobody_needs_are_allowed(tmp_path: Path, good: Good) -> None:
    extra = item(77, attributes=' ovf:required="false"').encode()
    assert judge(tmp_path, good.pack(descriptor=good.descriptor.replace(HARDWARE, extra))).ok


def test_a_naive_writer_conforms_too(tmp_path: Path, good: Good) -> None:
    report = judge(tmp_path, good.pack(disk=build_vmdk([(n, grain_stream()) for n in (0, 5, 600)])))
    assert report.ok, report.render()


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is missing: install qemu-utils")
def test_a_disk_of_qemu_conforms_unless_its_directories_differ(tmp_path: Path, good: Good) -> None:
    vmdk = tmp_path / "qemu.vmdk"
    raw = write_raw(tmp_path / "disk.raw")
    subprocess.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, vmdk], check=True
    )
    data = vmdk.read_bytes()
    report = judge(tmp_path, good.pack(disk=data))
    assert report.ok, report.render()
    redundant = struct.unpack_from("<Q", data, 48)[0] * SECTOR
    table = struct.unpack_from("<I", data, redundant)[0] * SECTOR
    report = judge(tmp_path, good.pack(disk=put(data, table, struct.pack("<I", 1))))
    assert broken_by(report) == {"vmdk.redundant"}, report.render()
    shared = struct.unpack_from("<Q", data, 56)[0] * SECTOR
    report = judge(tmp_path, good.pack(disk=put(data, redundant, data[shared : shared + 8])))
    assert broken_by(report) == {"vmdk.redundant"}, report.render()


def test_garbage_never_crashes_it(tmp_path: Path, good: Good) -> None:
    data = good.pack()
    dice = random.Random(559)
    tail = len(data) - len(good.disk)
    for number in range(300):
        damaged = bytearray(data)
        # Half of the hits go where the structure is: tar headers, descriptor, VMDK header and tables.
        for _ in range(dice.choice((1, 1, 20))):
            place = dice.randrange(len(data)) if dice.random() < 0.5 else dice.randrange(min(len(data), tail + 8192))
            damaged[place] ^= 1 << dice.randrange(8)
        if number % 3 == 0:
            del damaged[dice.randrange(len(data)) :]
        report = judge(tmp_path, bytes(damaged))
        json.loads(report.to_json())
        assert report.render()


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 10240, b"\xff" * 4096, b"<Envelope/>"], ids=["empty", "zeros", "ones", "xml"]
)
def test_what_is_no_archive_does_not_conform(tmp_path: Path, data: bytes) -> None:
    assert not judge(tmp_path, data).ok


LIMITED = """
import resource, sys
from pathlib import Path
from practicum.ova import conformance as verify
resource.setrlimit(resource.RLIMIT_CPU, (7, 7))
resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))
print(verify.check(Path(sys.argv[1])).ok)
"""


def test_structures_that_lie_about_their_size_are_cheap(tmp_path: Path, good: Good) -> None:
    """Each in a child that may take 7 seconds of a processor and, Python included, half a gigabyte."""
    liar = patch_headers(good.disk, capacity=2**63, overhead=2**62, descriptor_sectors=2**50)
    bomb = b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b '" + b"c" * 1000 + b"'>]><a>" + b"&b;" * 100_000 + b"</a>"
    many = tar([(f"{number}.txt", b"") for number in range(3000)])
    for name, data in (("liar", good.pack(disk=liar)), ("bomb", good.pack(descriptor=bomb)), ("many", many)):
        file = tmp_path / f"{name}.ova"
        file.write_bytes(data)
        done = subprocess.run([sys.executable, "-c", LIMITED, file], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "False\n"), f"{name}: {done.returncode} {done.stderr}"


def test_missing_files_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(PracticumError, match="cannot be read"):
        verify.check(tmp_path / "missing.ova")


def test_reports(tmp_path: Path, good: Good) -> None:
    file = tmp_path / "case.ova"
    file.write_bytes(good.pack(descriptor=good.descriptor.replace(b"</Envelope>", b"</Envelop>")))
    printed = verify.check(file).render()
    assert "BROKEN   import   ovf.xml " in printed and "unknown  promise  ovf.cpu " in printed


def test_what_ova_writes_conforms(tmp_path: Path, good: Good) -> None:
    (tmp_path / "disk.vmdk").write_bytes(good.disk)
    ova.write(tmp_path / "a.ova", good.descriptor, tmp_path / "disk.vmdk", name=NAME, mtime=MTIME)
    assert verify.check(tmp_path / "a.ova").ok
    assert describe(good.disk) != good.descriptor, "one has the disk's own id, the other the derived one"
