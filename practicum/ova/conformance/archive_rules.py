"""Rules about the tar and its manifest."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial

from practicum.ova.conformance.rules import Rule, rule
from practicum.ova.conformance.subject import OVF, Ova, Unjudgeable
from practicum.ova.conformance.tar import BLOCK, USTAR
from practicum.ova.vmdk_reader import Source

RULES: list[Rule] = []
_rule = partial(rule, RULES)
_LINE = re.compile(r"SHA256\((?P<name>[^()]+)\)= (?P<digest>[0-9a-f]{64})")
_CHUNK = 1 << 20
_MAX_PADDING = 64 * 1024  # bytes of zeros: tar writers round up to a record, 10 KiB by default


@_rule("tar.header", "each tar header is undamaged", prevents="VERR_TAR_CHKSUM_MISMATCH")
def check_headers(ova: Ova) -> Iterator[str]:
    if ova.archive.damaged:
        yield ova.archive.damaged
    elif not ova.archive.members:
        yield "the file holds no member"


@_rule(
    "tar.format",
    "headers are USTAR, not PAX or GNU",
    prevents="VERR_TAR_UNSUPPORTED_PAX_TYPE, VERR_TAR_UNSUPPORTED_GNU_HDR_TYPE",
)
def check_format(ova: Ova) -> Iterator[str]:
    for member in ova.archive.members:
        if member.kind in b"xgLKSMVDNX":
            yield f"{member.name}: header of type {member.kind.decode()!r}, a PAX or GNU extension"
        elif member.magic != USTAR:
            yield f"{member.name}: magic {member.magic!r} is not USTAR's"
        elif not member.octal:
            yield f"{member.name}: the size is in GNU's binary form, so it exceeds USTAR's 8 GiB"


@_rule(
    "tar.regular",
    "each member is a regular file",
    prevents="Malformed OVA. '%s' is not a regular file",
)
def check_regular(ova: Ova) -> Iterator[str]:
    for member in ova.archive.members:
        if member.kind in b"1234567":
            yield f"{member.name}: type {member.kind.decode()!r} is no regular file"


@_rule(
    "tar.names",
    "names are unique, in ASCII, without a folder",
    prevents="Internal inconsistency looking up disk image '%s'",
)
def check_names(ova: Ova) -> Iterator[str]:
    for name, times in Counter(member.name for member in ova.archive.members).items():
        if not re.fullmatch(r"[!-.0-~][ -.0-~]*", name):
            yield f"{name!r}: VirtualBox compares names with the descriptor letter by letter"
        if times > 1:
            yield f"{name}: appears {times} times"


@_rule(
    "tar.order",
    "the order is .ovf, .mf, disks as in References",
    prevents="Unexpected end of OVA / internal error - missing '%s'",
)
def check_order(ova: Ova) -> Iterator[str]:
    wanted = [f"{ova.base_name}.ovf", f"{ova.base_name}.mf", *(file.get(f"{OVF}href", "") for file in ova.references)]
    present = [member.name for member in ova.archive.members]
    wanted = [name for name in wanted if name in present]
    found = [name for name in present if name in wanted]
    if found != wanted:
        yield f"the order is {', '.join(found)}"


@_rule(
    "tar.members",
    "the archive holds one .ovf and its files",
    prevents="OVA '%s' does not contain an .ovf-file",
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
    "tar.end",
    "members are complete, and two zero blocks follow",
    prevents="Error reading OVA '%s' (VERR_TAR_UNEXPECTED_EOS)",
)
def check_end(ova: Ova) -> Iterator[str]:
    if ova.archive.cut:
        yield ova.archive.cut
    elif ova.archive.damaged:
        raise Unjudgeable("a header is damaged, so the end was not found")
    else:
        rest = ova.tail
        if not 2 * BLOCK <= len(rest) <= _MAX_PADDING or len(rest) % BLOCK or any(rest):
            yield f"{len(rest)} bytes follow the last member, and they are no proper end of archive"


@_rule(
    "manifest.present",
    "the one .mf is named like the .ovf",
    prevents="VirtualBox ignores the manifest",
)
def check_manifest_present(ova: Ova) -> Iterator[str]:
    names = [name for name in ova.files if name.endswith(".mf")]
    if names != [f"{ova.base_name}.mf"]:
        yield f"found {', '.join(names) or 'none'}, expected {ova.base_name}.mf"


@_rule(
    "manifest.line",
    "lines read `SHA256(name)= digest`, digests in lower case",
    prevents="Failed to parse manifest file '%s' for '%s'",
)
def check_manifest_lines(ova: Ova) -> Iterator[str]:
    text = ova.manifest.decode("utf-8", "replace")
    if not text.endswith("\n"):
        yield "the last line has no end"
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        if not _LINE.fullmatch(line):
            yield f"line {number}: {line[:100]!r}"


@_rule(
    "manifest.digest",
    "each digest fits its file",
    prevents="Digest mismatch (VERR_NOT_EQUAL): Attribute 'SHA256' on '%s' does not match",
)
def check_digests(ova: Ova) -> Iterator[str]:
    for name, digest in _entries(ova):
        if name in ova.files and digest != _digest(ova.files[name]):
            yield f"{name}: damaged, or changed after it was hashed"


@_rule(
    "manifest.cover",
    "the manifest lists each needed file once",
    prevents="Digest mismatch (VERR_NOT_EQUAL), or nobody notices damage",
)
def check_cover(ova: Ova) -> Iterator[str]:
    listed = Counter(name for name, _ in _entries(ova))
    for name in (f"{ova.base_name}.ovf", *(file.get(f"{OVF}href", "") for file in ova.references)):
        if listed[name] != 1:
            yield f"{name}: listed {listed[name]} times"


@_rule(
    "manifest.extra",
    "the manifest lists nothing else",
    prevents="Digest mismatch (VERR_NOT_EQUAL): '%s' not found in the 2nd manifest",
)
def check_extra(ova: Ova) -> Iterator[str]:
    expected = {f"{ova.base_name}.ovf", *(file.get(f"{OVF}href") for file in ova.references)}
    for name, _ in _entries(ova):
        if name not in expected:
            yield f"{name}: listed"


def _entries(ova: Ova) -> list[tuple[str, str]]:
    """Names and digests of the well-formed lines."""
    lines = ova.manifest.decode("utf-8", "replace").split("\n")
    return [(match["name"], match["digest"]) for line in lines if (match := _LINE.fullmatch(line))]


def _digest(source: Source) -> str:
    digest = hashlib.sha256()
    for offset in range(0, source.size, _CHUNK):
        digest.update(os.pread(source.descriptor, min(_CHUNK, source.size - offset), source.start + offset))
    return digest.hexdigest()
