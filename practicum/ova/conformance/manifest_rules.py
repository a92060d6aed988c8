"""Rules about the manifest, the list of the other members' digests. VirtualBox does not ask for one."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial

from practicum.ova.conformance.envelope import OVF
from practicum.ova.conformance.rules import IMPORT, PROMISE, Rule, rule
from practicum.ova.conformance.subject import Ova
from practicum.ova.vmdk_reader import Source

RULES: list[Rule] = []
_rule = partial(rule, RULES)
_OURS = re.compile(r"SHA256\([^()]+\)= [0-9a-f]{64}")
_READ = re.compile(r"\s*(?P<method>[\w-]+)\s*\((?P<name>[^()]+)\)\s*=\s*(?P<digest>.*?)\s*")
_METHODS = {"MD5": 32, "SHA1": 40, "SHA256": 64, "SHA512": 128}  # those that VirtualBox applies, and their digits
_CHUNK = 1 << 20


@_rule("manifest.present", PROMISE, "the one .mf is named like the .ovf", prevents="VirtualBox ignores the manifest")
def check_present(ova: Ova) -> Iterator[str]:
    names = [name for name in ova.files if name.endswith(".mf")]
    if names != [f"{ova.base_name}.mf"]:
        yield f"found {', '.join(names) or 'none'}, expected {ova.base_name}.mf"


@_rule(
    "manifest.line",
    IMPORT,
    "lines read `METHOD(name)= digest`, in UTF-8",
    prevents="Failed to parse manifest file '%s' for '%s'",
)
def check_lines(ova: Ova) -> Iterator[str]:
    for number, line in enumerate(_text(ova).split("\n"), start=1):
        match = _READ.fullmatch(line)
        if line.strip() and (not match or not _is_digest(match["method"], match["digest"])):
            yield f"line {number}: {line[:100]!r}"
    if "\ufffd" in _text(ova):
        yield "it is not in UTF-8"


@_rule(
    "manifest.form",
    PROMISE,
    "lines read `SHA256(name)= digest`, digests in lower case",
    prevents="VMware says: Invalid OVF checksum algorithm; VirtualBox skips a last line without end",
)
def check_form(ova: Ova) -> Iterator[str]:
    if not _text(ova):
        return
    if not _text(ova).endswith("\n"):
        yield "the last line has no end"
    for number, line in enumerate(_text(ova).removesuffix("\n").split("\n"), start=1):
        if not _OURS.fullmatch(line):
            yield f"line {number}: {line[:100]!r}"


@_rule(
    "manifest.digest",
    IMPORT,
    "each digest fits its file",
    prevents="Digest mismatch (VERR_NOT_EQUAL): Attribute 'SHA256' on '%s' does not match",
)
def check_digests(ova: Ova) -> Iterator[str]:
    for method, name, digest in _entries(ova):
        if name in ova.files and digest != _digest(ova.files[name], method):
            yield f"{name}: damaged, or changed after it was hashed"


@_rule("manifest.cover", PROMISE, "the manifest lists each needed file once", prevents="nobody notices damage")
def check_cover(ova: Ova) -> Iterator[str]:
    listed = Counter(name for _, name, _ in _entries(ova))
    if not _text(ova):
        return
    for name in (f"{ova.base_name}.ovf", *(file.get(f"{OVF}href", "") for file in ova.references)):
        if listed[name] != 1:
            yield f"{name}: listed {listed[name]} times"


@_rule(
    "manifest.extra",
    PROMISE,
    "the manifest lists nothing else",
    prevents="old VirtualBoxes say: Digest mismatch (VERR_NOT_EQUAL): '%s' not found in the 2nd manifest",
)
def check_extra(ova: Ova) -> Iterator[str]:
    expected = {f"{ova.base_name}.ovf", *(file.get(f"{OVF}href") for file in ova.references)}
    for _, name, _ in _entries(ova):
        if name not in expected:
            yield f"{name}: listed"


def _text(ova: Ova) -> str:
    """Return the manifest; it is "" where there is none, which only `manifest.present` minds."""
    return ova.manifest.decode("utf-8", "replace") if f"{ova.base_name}.mf" in ova.files else ""


def _entries(ova: Ova) -> list[tuple[str, str, str]]:
    """Methods, names and digests of the lines that VirtualBox looks at: it skips a last one without end."""
    lines = _text(ova).split("\n")[:-1]
    matches = [match for line in lines if (match := _READ.fullmatch(line)) and match["method"] in _METHODS]
    return [(match["method"], match["name"], match["digest"].lower()) for match in matches]


def _is_digest(method: str, text: str) -> bool:
    """Return whether VirtualBox takes a text for a digest; of methods that it does not know, it takes any."""
    return method not in _METHODS or bool(re.fullmatch(f"[0-9a-fA-F]{{{_METHODS[method]}}}", text))


def _digest(source: Source, method: str) -> str:
    digest = hashlib.new(method.lower())
    for offset in range(0, source.size, _CHUNK):
        digest.update(os.pread(source.descriptor, min(_CHUNK, source.size - offset), source.start + offset))
    return digest.hexdigest()
