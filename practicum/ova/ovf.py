"""The OVF descriptor of an appliance, in the shape that VirtualBox's importer reads (and VMware's understands).

VirtualBox looks `vbox:Machine` up by its prefix, not by its namespace, so prefixes belong to the format: elements carry
them literally and the root declares them.
"""

import uuid
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from practicum.architecture import Hardware
from practicum.engine.errors import PracticumError
from practicum.ova.vmdk_reader import read_disk

NAMESPACES = {
    "": "http://schemas.dmtf.org/ovf/envelope/1",
    "ovf": "http://schemas.dmtf.org/ovf/envelope/1",
    "rasd": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData",
    "vssd": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "vbox": "http://www.virtualbox.org/ovf/machine",
}
STREAM_OPTIMIZED = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
MAX_TEXT = 8192  # bytes of an element's text that VirtualBox accepts

_IDS = uuid.uuid5(uuid.NAMESPACE_OID, "practicum appliance")
_FILE, _DISK, _CPU, _MEMORY, _CONTROLLER = "file1", "vmdisk1", 1, 2, 3
_VIDEO_MEMORY_MB = 16  # a text console needs no more, and VirtualBox warns below it


@dataclass(frozen=True)
class Forward:
    """A TCP port of the host, bound to one of its addresses, that leads into the guest."""

    name: str
    host_ip: str
    host_port: int
    guest_port: int


@dataclass(frozen=True)
class Appliance:
    """What the importer shows and sets up. `description` is plain text and says which URL to open."""

    name: str
    product: str
    version: str
    vendor: str
    description: str
    cpus: int
    memory_mb: int
    forwards: tuple[Forward, ...]
    hardware: Hardware

    def derive_uuid(self, part: str) -> uuid.UUID:
        """Return an id that is the same in every build of this version; VirtualBox makes new ones at import."""
        return uuid.uuid5(_IDS, f"{self.name} {self.version} {part}")


@dataclass(frozen=True)
class Disk:
    """The virtual disk's file. `capacity_bytes` is what the guest sees; the id links `vbox:Machine` to the file."""

    file_name: str
    file_bytes: int
    capacity_bytes: int
    image_uuid: uuid.UUID | None = None

    @classmethod
    def of(cls, vmdk: Path, file_name: str) -> "Disk":
        """Read size, capacity and id from a VMDK that will be packed as `file_name`; raises PracticumError."""
        disk = read_disk(vmdk)
        return cls(file_name, vmdk.stat().st_size, disk.capacity_bytes, disk.image_uuid)


def describe(appliance: Appliance, disk: Disk) -> bytes:
    """Return the descriptor as UTF-8 XML: a pure function of its arguments.

    Raises:
        PracticumError: a text is longer than VirtualBox reads.
    """
    image = str(disk.image_uuid or appliance.derive_uuid("disk"))
    root = Element("Envelope", {"ovf:version": "1.0", "xml:lang": "en-US"})
    for prefix, uri in NAMESPACES.items():
        root.set(f"xmlns:{prefix}" if prefix else "xmlns", uri)
    references = SubElement(root, "References")
    SubElement(references, "File", {"ovf:id": _FILE, "ovf:href": disk.file_name, "ovf:size": str(disk.file_bytes)})
    _add_disk_section(root, disk, image)
    networks = SubElement(root, "NetworkSection")
    _add_text(networks, "Info", "Logical networks of the appliance")
    network = SubElement(networks, "Network", {"ovf:name": "NAT"})
    _add_text(network, "Description", "Translation to the host's addresses")
    root.append(_virtual_system(appliance, image))
    indent(root)
    document: bytes = tostring(root, encoding="UTF-8", xml_declaration=True)
    return document + b"\n"


def _add_text(parent: Element, tag: str, text: str | int) -> None:
    text = str(text)
    if len(text.encode()) >= MAX_TEXT:
        raise PracticumError(
            f"OVF {tag}",
            f"the text has {len(text.encode())} bytes, VirtualBox reads less than {MAX_TEXT}",
            "shorten it",
        )
    SubElement(parent, tag).text = text


def _add_disk_section(root: Element, disk: Disk, image: str) -> None:
    disks = SubElement(root, "DiskSection")
    _add_text(disks, "Info", "Virtual disks of the appliance")
    SubElement(
        disks,
        "Disk",
        {
            # VirtualBox ignores the unit and reads a plain number, so the unit is the byte.
            "ovf:capacity": str(disk.capacity_bytes),
            "ovf:capacityAllocationUnits": "byte",
            "ovf:diskId": _DISK,
            "ovf:fileRef": _FILE,
            "ovf:format": STREAM_OPTIMIZED,
            "vbox:uuid": image,
        },
    )


def _virtual_system(appliance: Appliance, image: str) -> Element:
    system = Element("VirtualSystem", {"ovf:id": appliance.name})
    _add_text(system, "Info", "A virtual machine")
    product = SubElement(system, "ProductSection")
    _add_text(product, "Info", "What the appliance is")
    _add_text(product, "Product", appliance.product)
    _add_text(product, "Vendor", appliance.vendor)
    _add_text(product, "Version", appliance.version)
    annotation = SubElement(system, "AnnotationSection")
    _add_text(annotation, "Info", "How to use the appliance")
    _add_text(annotation, "Annotation", appliance.description)
    # 96 is CIM's number for 64-bit Debian.
    os_section = SubElement(system, "OperatingSystemSection", {"ovf:id": "96"})
    _add_text(os_section, "Info", "The operating system installed")
    _add_text(os_section, "Description", appliance.hardware.os_type)
    SubElement(os_section, "vbox:OSType", {"ovf:required": "false"}).text = appliance.hardware.os_type
    system.append(_virtual_hardware(appliance))
    system.append(_machine(appliance, image))
    return system


def _virtual_hardware(appliance: Appliance) -> Element:
    hardware = Element("VirtualHardwareSection")
    _add_text(hardware, "Info", "Virtual hardware of the machine")
    system = SubElement(hardware, "System")
    _add_text(system, "vssd:ElementName", "Virtual Hardware Family")
    _add_text(system, "vssd:InstanceID", 0)
    _add_text(system, "vssd:VirtualSystemIdentifier", appliance.name)
    _add_text(system, "vssd:VirtualSystemType", "virtualbox-2.2")
    cpus, memory, kind = appliance.cpus, appliance.memory_mb, appliance.hardware
    controller = f"{kind.controller_name} controller"
    _add_item(hardware, 3, _CPU, f"{cpus} virtual CPU", AllocationUnits="hertz * 10^6", VirtualQuantity=cpus)
    # "MB" and "MegaBytes" are the units VirtualBox and VMware both know.
    _add_item(hardware, 4, _MEMORY, f"{memory} MB of memory", AllocationUnits="MegaBytes", VirtualQuantity=memory)
    _add_item(hardware, 20, _CONTROLLER, controller, Address=0, ResourceSubType=kind.controller)
    _add_item(hardware, 17, 4, "Disk", AddressOnParent=0, HostResource=f"/disk/{_DISK}", Parent=_CONTROLLER)
    _add_item(hardware, 10, 5, "Network card", AutomaticAllocation="true", Connection="NAT", ResourceSubType="E1000")
    return hardware


def _add_item(hardware: Element, kind: int, instance: int, name: str, **settings: str | int) -> None:
    """Add an `Item` of CIM resource type `kind`; the schema wants its children in alphabetical order."""
    item = SubElement(hardware, "Item")
    settings |= {"Caption": name, "ElementName": name, "InstanceID": instance, "ResourceType": kind}
    for tag, value in sorted(settings.items()):
        _add_text(item, f"rasd:{tag}", value)


def _machine(appliance: Appliance, image: str) -> Element:
    """VirtualBox's own settings: the only place for port forwards, and where sound and the boot order are set."""
    kind = appliance.hardware
    machine = Element(
        "vbox:Machine",
        {
            "ovf:required": "false",
            "version": f"{kind.settings}-linux",
            "uuid": f"{{{appliance.derive_uuid('machine')}}}",
            "name": appliance.name,
            "OSType": kind.os_type,
        },
    )
    _add_text(machine, "ovf:Info", "VirtualBox machine settings")
    hardware = SubElement(machine, "Hardware")
    SubElement(hardware, "Memory", RAMSize=str(appliance.memory_mb))
    SubElement(hardware, "Firmware", type=kind.firmware)
    if kind.usb:
        SubElement(hardware, "HID", Pointing="USBTablet", Keyboard="USBKeyboard")
        SubElement(SubElement(SubElement(hardware, "USB"), "Controllers"), "Controller", name="XHCI", type="XHCI")
    boot = SubElement(hardware, "Boot")
    for position, device in enumerate(("HardDisk", "None", "None", "None"), start=1):
        SubElement(boot, "Order", position=str(position), device=device)
    SubElement(hardware, "Display", controller=kind.graphics, VRAMSize=str(_VIDEO_MEMORY_MB))
    hardware.append(_network(appliance.forwards))
    SubElement(hardware, "AudioAdapter", enabled="false", driver="Null")
    machine.append(_storage(kind, image))
    if kind.platform:
        machine.append(_platform(kind, appliance.cpus))
    else:
        _add_processors(hardware, appliance.cpus)
    return machine


def _add_processors(hardware: Element, cpus: int) -> None:
    """Add processors, clock and interrupts where settings are too old to have a platform for them."""
    cpu = Element("CPU", count=str(cpus))
    SubElement(cpu, "PAE", enabled="true")
    SubElement(cpu, "LongMode", enabled="true")
    hardware.insert(0, cpu)
    bios = Element("BIOS")
    SubElement(bios, "IOAPIC", enabled="true")
    hardware.insert([child.tag for child in hardware].index("Network"), bios)
    SubElement(hardware, "RTC", localOrUTC="UTC")


def _platform(kind: Hardware, cpus: int) -> Element:
    platform = Element("Platform", architecture=kind.platform)
    SubElement(platform, "RTC", localOrUTC="UTC")
    SubElement(platform, "Chipset", type=kind.chipset)
    SubElement(platform, "CPU", count=str(cpus))
    SubElement(SubElement(platform, kind.platform.lower()), "CPU")
    return platform


def _network(forwards: tuple[Forward, ...]) -> Element:
    network = Element("Network")
    # No MAC address: VirtualBox gives each import its own.
    adapter = SubElement(network, "Adapter", slot="0", enabled="true", cable="true", type="82540EM")
    nat = SubElement(adapter, "NAT", {"localhost-reachable": "false"})
    for forward in forwards:
        SubElement(
            nat,
            "Forwarding",
            name=forward.name,
            proto="1",  # TCP
            hostip=forward.host_ip,
            hostport=str(forward.host_port),
            guestport=str(forward.guest_port),
        )
    return network


def _storage(kind: Hardware, image: str) -> Element:
    controllers = Element("StorageControllers")
    controller = SubElement(
        controllers,
        "StorageController",
        name=kind.controller_name,
        type=kind.controller,
        PortCount="1",
        # The host's cache would lose acknowledged writes when the laptop's power goes.
        useHostIOCache="false",
        Bootable="true",
    )
    device = SubElement(controller, "AttachedDevice", type="HardDisk", hotpluggable="false", port="0", device="0")
    SubElement(device, "Image", uuid=f"{{{image}}}")
    return controllers
