"""Reads the XML of an OVF descriptor, of version 1 or 2 of the standard, or of its draft."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, fromstring

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
VBOX = "{http://www.virtualbox.org/ovf/machine}"
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


class NoXml(Exception):
    """The descriptor cannot be read; the message says why."""


@dataclass(frozen=True)
class Envelope:
    """A descriptor. `tag` is the root's as the file has it; `root` has the names of OVF 1, whatever the file's version.

    Version 2 has a namespace of its own, and other names for the items of disks and network cards. The draft names
    its sections by a type. VirtualBox still exports both. Source: https://www.dmtf.org/dsp/DSP0243.
    """

    tag: str
    root: Element


def parse_envelope(text: bytes) -> Envelope:
    """Read a descriptor.

    Raises:
        NoXml: it is not well-formed, or defines entities.
    """
    # Entity definitions can blow a small file up to gigabytes, and no OVF needs them.
    if b"<!ENTITY" in text:
        raise NoXml("the descriptor defines entities")
    try:
        root = fromstring(text)
    except (ParseError, ValueError, LookupError) as error:  # LookupError: an encoding nobody knows
        raise NoXml(f"the descriptor is not well-formed XML ({error})") from error
    tag, namespace = root.tag, root.tag.rpartition("}")[0] + "}"
    if namespace not in (OVF, "}"):
        _rename(root, namespace)
    return Envelope(tag, root)


def _rename(root: Element, namespace: str) -> None:
    """Give elements and attributes the names of version 1. VirtualBox takes any other namespace for the draft, 0.9."""
    for element in root.iter():
        kind = element.get(f"{_XSI}type", "").rpartition(":")[2].removesuffix("_Type")
        if element.tag in (f"{namespace}Section", f"{namespace}Content") and kind:  # of the draft
            element.tag = namespace + kind
        if element.tag in (f"{namespace}StorageItem", f"{namespace}EthernetPortItem"):  # of version 2
            element.tag = f"{namespace}Item"
        if element.tag == f"{namespace}Item":
            for child in element:
                child.tag = RASD + child.tag.rpartition("}")[2].replace("InstanceId", "InstanceID")
        element.tag = element.tag.replace(namespace, OVF)
        element.attrib = {name.replace(namespace, OVF): value for name, value in element.attrib.items()}
