"""Tells by its first bytes what a file is that is no OVA."""

import re
from collections.abc import Sequence

HEAD = 64 * 1024  # bytes of the file's start that are looked at
_MAX_TEXT = 8 * 1024  # bytes of a text that are looked at
_ISO_MAGIC = slice(0x8001, 0x8006)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_AGAIN = "download the .ova again"
_UNPACK = "unpack it, and give the .ova in it"
_WITH_DISK = "give the .ova, which holds descriptor and disk together"

MAGICS: Sequence[tuple[bytes, str, str]] = (
    (b"PK", "a zip archive", _UNPACK),
    (b"\x1f\x8b", "compressed by gzip", _UNPACK),
    (b"\xfd7zXZ", "compressed by xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", _UNPACK),
    (b"BZh", "compressed by bzip2", _UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (b"KDMV", "a disk alone (.vmdk)", _WITH_DISK),
    (b"# Disk DescriptorFile", "a disk's description alone (.vmdk)", _WITH_DISK),
    (b"QFI\xfb", "a disk of QEMU (.qcow2)", _WITH_DISK),
    (b"<<< ", "a disk of VirtualBox (.vdi)", _WITH_DISK),
    (b"SHA256", "a manifest or a list of sums", _WITH_DISK),
)
"""What files start with, what such a file is, and what to do instead."""


def name_kind(head: bytes) -> str:
    """Return what a file that is no tar is, and the cure: "a web page ...: log in ...".

    Args:
        head: its first bytes, `HEAD` of them where there are as many.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:_MAX_TEXT]
    for magic, kind, cure in MAGICS:
        if head.startswith(magic):
            return f"{kind}: {cure}"
    if head[_ISO_MAGIC] == b"CD001":
        return f"a CD's image (.iso): {_WITH_DISK}"
    if re.search(rb"<Envelope\b|<\w+:Envelope\b", text):
        return f"an OVF descriptor alone (.ovf): {_WITH_DISK}"
    if re.search(rb"<!doctype html|<html\b|<head\b", text, re.IGNORECASE):
        title = re.search(rb"<title[^>]*>([^<]{1,200})<", text, re.IGNORECASE)
        quoted = f' ("{_show(title[1])}")' if title else ""
        return f"a web page{quoted}: open the address in a browser, log in where it asks for it, and {_AGAIN}"
    if not any(head):
        return f"nothing but zeros where an .ova starts: {_AGAIN}"
    if text and _is_text(head):
        return f'a text ("{_show(text.splitlines()[0][:60])}"): {_AGAIN}'
    return f"something else than a tar archive, or its first bytes are damaged: {_AGAIN}"


def _is_text(head: bytes) -> bool:
    """Return whether it reads as UTF-8, whose last letter may be cut."""
    return "\ufffd" not in head.decode("utf-8", "replace")[:-1] and not _CONTROL.search(head)


def _show(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())
