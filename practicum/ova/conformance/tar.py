"""Reads tar headers as they stand in the file: `tarfile` would hide what VirtualBox stumbles over."""

import os
from dataclasses import dataclass

BLOCK = 512
USTAR = b"ustar\x0000"
_MAX_MEMBERS = 1000
_AGAIN = "download it again"


@dataclass(frozen=True)
class Member:
    """One header and where its data lie; `size` is clipped to the bytes the file has."""

    name: str
    kind: bytes
    magic: bytes
    octal: bool
    offset: int
    size: int


@dataclass(frozen=True)
class Archive:
    """Members in order. `damaged` and `cut` say why reading stopped early; `end` is the byte where it stopped."""

    members: tuple[Member, ...]
    end: int
    damaged: str | None = None
    cut: str | None = None


def read_archive(descriptor: int, size: int) -> Archive:
    """List an open file of `size` bytes, up to the first zero block or the first thing that makes no sense."""
    members: list[Member] = []
    position = 0
    while len(members) < _MAX_MEMBERS:
        block = os.pread(descriptor, BLOCK, position)
        if not any(block):  # also where the file ends: VirtualBox writes no end of archive
            return Archive(tuple(members), min(position, size))
        if len(block) < BLOCK:
            return Archive(tuple(members), size, cut=f"the file ends at byte {size}, inside a header: {_AGAIN}")
        length = _parse_size(block[124:136])
        if length is None or not _checksum_fits(block):
            return Archive(tuple(members), position, damaged=f"byte {position}: no tar header")
        name = _member_name(block)
        start = position + BLOCK
        octal = not block[124] & 0x80
        members.append(Member(name, block[156:157], block[257:265], octal, start, max(0, min(length, size - start))))
        if start + length > size:
            cut = f"{name} should have {length} bytes, and the file ends after {max(0, size - start)} of them"
            return Archive(tuple(members), size, cut=f"{cut}, at byte {size}: {_AGAIN}")
        position = start + -(-length // BLOCK) * BLOCK
    return Archive(tuple(members), position, damaged=f"more than {_MAX_MEMBERS} members")


def _member_name(block: bytes) -> str:
    name, prefix = (field.split(b"\0", 1)[0].decode("utf-8", "replace") for field in (block[:100], block[345:500]))
    return f"{prefix}/{name}" if prefix and block[257:265] == USTAR else name


def _parse_size(field: bytes) -> int | None:
    if field[0] & 0x80:  # base-256, as GNU tar writes sizes that do not fit
        return int.from_bytes(field[1:])
    try:
        return int(field.rstrip(b"\0 ") or b"0", 8)
    except ValueError:
        return None


def _checksum_fits(block: bytes) -> bool:
    stored = _parse_size(block[148:156])
    return stored == sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
