"""Rules about the tar."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import takewhile

from practicum.ova.conformance.envelope import OVF
from practicum.ova.conformance.rules import IMPORT, PROMISE, Rule, rule
from practicum.ova.conformance.subject import Ova, Unjudgeable
from practicum.ova.conformance.tar import BLOCK, USTAR

RULES: list[Rule] = []
_rule = partial(rule, RULES)
_SPECIAL = b"1234567"  # types of members that are no regular files
_MAX_PADDING = 64 * 1024  # bytes of zeros: tar writers round up to a record, 10 KiB by default


@_rule("tar.header", IMPORT, "each tar header is undamaged", prevents="VERR_TAR_CHKSUM_MISMATCH")
def check_headers(ova: Ova) -> Iterator[str]:
    if ova.archive.damaged:
        yield ova.archive.damaged


@_rule(
    "tar.format",
    IMPORT,
    "no header is one of PAX, or of GNU's sparse files",
    prevents="VERR_TAR_UNSUPPORTED_PAX_TYPE, VERR_TAR_UNSUPPORTED_GNU_HDR_TYPE",
)
def check_format(ova: Ova) -> Iterator[str]:
    for member in ova.archive.members:
        if member.kind in b"xgSMVDNX":
            yield f"{member.name}: header of type {member.kind.decode()!r}, a PAX or GNU extension"


@_rule("tar.ustar", PROMISE, "headers are USTAR", prevents="the OVF standard demands it")
def check_ustar(ova: Ova) -> Iterator[str]:
    for member in ova.archive.members:
        if member.magic != USTAR or member.kind in b"LK":
            yield f"{member.name}: a header of GNU (magic {member.magic!r})"
        elif not member.octal:
            yield f"{member.name}: the size is in GNU's binary form, so it exceeds USTAR's 8 GiB"


@_rule(
    "tar.first",
    IMPORT,
    "no folder or link stands before the .ovf",
    prevents="Malformed OVA. '%s' is not a regular file",
)
def check_first(ova: Ova) -> Iterator[str]:
    for member in takewhile(lambda member: not member.name.endswith(".ovf"), ova.archive.members):
        if member.kind in _SPECIAL:
            yield f"{member.name}: type {member.kind.decode()!r} is no regular file"


@_rule("tar.regular", PROMISE, "each member is a regular file", prevents="VirtualBox skips it")
def check_regular(ova: Ova) -> Iterator[str]:
    for member in ova.archive.members:
        if member.kind in _SPECIAL:
            yield f"{member.name}: type {member.kind.decode()!r} is no regular file"


@_rule(
    "tar.names",
    PROMISE,
    "names are unique, in ASCII, without a folder",
    prevents="to unpack it overwrites or renames a file",
)
def check_names(ova: Ova) -> Iterator[str]:
    for name, times in Counter(member.name for member in ova.archive.members).items():
        if not re.fullmatch(r"[!-.0-~][ -.0-~]*", name):
            yield f"{name!r}: VirtualBox compares names with the descriptor letter by letter"
        if times > 1:
            yield f"{name}: appears {times} times"


@_rule(
    "tar.order",
    PROMISE,
    "the order is .ovf, .mf, disks as in References",
    prevents="older VirtualBoxes: Unexpected end of OVA / internal error - missing '%s'",
)
def check_order(ova: Ova) -> Iterator[str]:
    wanted = [f"{ova.base_name}.ovf", f"{ova.base_name}.mf", *(file.get(f"{OVF}href", "") for file in ova.references)]
    present = [member.name for member in ova.archive.members]
    wanted = [name for name in wanted if name in present]
    found = [name for name in present if name in wanted]
    if found != wanted:
        yield f"the order is {', '.join(found)}"


@_rule(
    "tar.members", PROMISE, "the archive holds one .ovf and its files", prevents="the download is larger than needed"
)
def check_members(ova: Ova) -> Iterator[str]:
    names = [member.name for member in ova.archive.members]
    descriptors = [name for name in names if name.endswith(".ovf")]
    if len(descriptors) != 1:
        yield f"{len(descriptors)} .ovf files"
        return
    expected = {f"{ova.base_name}.ovf", f"{ova.base_name}.mf", *(file.get(f"{OVF}href") for file in ova.references)}
    for name in names:
        if name not in expected and not name.endswith(".mf"):
            yield f"{name}: the descriptor does not name it"


@_rule(
    "tar.tail",
    IMPORT,
    f"nothing but zero blocks follows the last member, {_MAX_PADDING // 1024} KiB at most",
    prevents="Error reading OVA '%s' (VERR_TAR_ZERO_HEADER, VERR_TAR_UNEXPECTED_EOS)",
)
def check_tail(ova: Ova) -> Iterator[str]:
    rest = _end_of(ova)
    if any(rest) or len(rest) % BLOCK or len(rest) > _MAX_PADDING:
        yield f"{len(rest)} bytes{' that are not all zero' if any(rest) else ''}"


@_rule("tar.end", PROMISE, "two zero blocks end the archive", prevents="a download cut between two members looks whole")
def check_end(ova: Ova) -> Iterator[str]:
    if len(_end_of(ova)) < 2 * BLOCK:
        yield "they are missing"


def _end_of(ova: Ova) -> bytes:
    if ova.archive.damaged:
        raise Unjudgeable("a header is damaged, so the end was not found")
    return ova.tail
