"""The sums of a release: what makes it possible to say that every byte is right, and where the first wrong one is.

`SHA256SUMS` lists every file and is what is signed; `sha256sum -c SHA256SUMS` reads it. `blocks.json`, one of the
files that it lists, has the size of every file and the sha256 of each block of it. So one wrong byte among gigabytes is
found within a block, and to the byte where a good copy is at hand.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from practicum.engine.errors import PracticumError
from practicum.engine.publish import write_text
from practicum.release.places import JOIN, FolderPlace, Place

SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"
BLOCKS = "blocks.json"

BLOCK = 1 << 20
"""Bytes of a block: the sums of all blocks take a fifteen-thousandth of the release."""

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


class Untrue(PracticumError):
    """A release is not what its sums, its record or its signer say (exit code 1: the answer is no)."""

    exit_code = 1


class FileBlocks(BaseModel):
    """One file: its size in bytes, and the sha256 (hex) of each of its blocks, the last of which may be shorter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int
    sha256: tuple[str, ...]


class Blocks(BaseModel):
    """What blocks.json says. block: bytes of a block. files: relative path -> its blocks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    block: PositiveInt
    files: dict[str, FileBlocks]

    def is_complete(self, file: FileBlocks) -> bool:
        """Tell whether each block of the file has its sum."""
        return len(file.sha256) == -(-file.bytes // self.block)


@dataclass(frozen=True)
class Sums:
    """What the sums of a release say. sha256: relative path -> hex, of every file but SHA256SUMS and its signature."""

    sha256: Mapping[str, str]
    blocks: Blocks

    @property
    def total(self) -> int:
        """The bytes of all files."""
        return sum(file.bytes for file in self.blocks.files.values())


def write_sums(folder: Path) -> None:
    """Write blocks.json and SHA256SUMS of all files below `folder`; raises PracticumError at a link."""
    place = FolderPlace(folder)
    for name in (SUMS, SIGNATURE, BLOCKS):
        (folder / name).unlink(missing_ok=True)
    measured = {name: _measure(place.read(name)) for name in sorted(place.list_files())}
    blocks = Blocks(block=BLOCK, files={name: file for name, (_, file) in measured.items()})
    write_text(folder / BLOCKS, blocks.model_dump_json(indent=1) + "\n")
    sums = {name: digest for name, (digest, _) in measured.items()}
    sums[BLOCKS], _ = _measure(place.read(BLOCKS))
    write_text(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))


def read_sums(place: Place, text: str) -> Sums:
    """Return the sums of a release.

    text: its SHA256SUMS, whose signature the caller has checked. Raises Untrue when a line is none, when a path leads
    out of the release, or when blocks.json is not the file that `text` lists.
    """
    sums = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.fullmatch(line)
        path = PurePosixPath(match[2]) if match else PurePosixPath("..")
        if not match or path.is_absolute() or ".." in path.parts or str(path) != match[2] or "\\" in match[2]:
            raise Untrue(f"{SUMS}: line {number}", "names no file of the release", "build the release again")
        sums[match[2]] = match[1]
    data = read_small(place, BLOCKS)
    if sums.get(BLOCKS) != hashlib.sha256(data).hexdigest():
        raise Untrue(BLOCKS, f"is not the file that {SUMS} lists", "fetch it again")
    with suppress(ValidationError):
        blocks = Blocks.model_validate_json(data)
        if blocks.files.keys() == sums.keys() - {BLOCKS} and all(map(blocks.is_complete, blocks.files.values())):
            return Sums(sums, blocks)
    raise Untrue(BLOCKS, f"has no sums of the files in {SUMS}", "build the release again")


def read_small(place: Place, name: str) -> bytes:
    """Return the bytes of a small file; raises Untrue when it is not there."""
    try:
        return b"".join(place.read(name))
    except FileNotFoundError:
        raise Untrue(name, f"missing in {place.name}", "name the folder or address of a complete release") from None


def check_sums(
    place: Place, sums: Sums, *, report: Callable[[int], None] = lambda count: None, copy: Path | None = None
) -> None:
    """Compare every file with its sums; raises Untrue at the first that is missing, too many or wrong.

    report: told of every n bytes read. copy: a folder with the same release, which makes it possible to name the byte.
    """
    there = place.list_files()
    if there is not None:
        expected = {*sums.sha256, SUMS}
        for name in sorted(there - expected - {SIGNATURE, JOIN}):
            raise Untrue(name, f"is in {place.name}, but not in {SUMS}", "remove it")
        for name in sorted(expected - there):
            raise Untrue(name, f"is in {SUMS}, but missing in {place.name}", "fetch it")
    for name, blocks in sums.blocks.files.items():
        _check_file(place, name, sums, blocks, report, copy)


def _check_file(
    place: Place, name: str, sums: Sums, blocks: FileBlocks, report: Callable[[int], None], copy: Path | None
) -> None:
    again, whole, start = "fetch the file again", hashlib.sha256(), 0
    try:
        stream = place.read(name)
    except FileNotFoundError:
        raise Untrue(name, f"is in {SUMS}, but missing in {place.name}", "fetch it") from None
    for number, block in enumerate(_cut(stream, sums.blocks.block)):
        whole.update(block)
        report(len(block))
        end = start + len(block)
        if end > blocks.bytes:
            raise Untrue(name, f"has more than its {blocks.bytes} bytes", again)
        if end < blocks.bytes and len(block) < sums.blocks.block:
            raise Untrue(name, f"ends after {end} of {blocks.bytes} bytes", again)
        if hashlib.sha256(block).hexdigest() != blocks.sha256[number]:
            raise Untrue(name, _locate(name, start, block, blocks.sha256[number], copy), again)
        start = end
    if start < blocks.bytes:
        raise Untrue(name, f"ends after {start} of {blocks.bytes} bytes", again)
    if whole.hexdigest() != sums.sha256[name]:
        raise Untrue(name, f"{BLOCKS} and {SUMS} disagree", "build the release again")


def _locate(name: str, start: int, block: bytes, digest: str, copy: Path | None) -> str:
    """Return where a wrong block differs from the good copy, or from where to where it lies."""
    good = _read_block(copy / name, start, len(block)) if copy else b""
    if hashlib.sha256(good).hexdigest() == digest:
        offset = next(index for index, (one, other) in enumerate(zip(block, good, strict=True)) if one != other)
        return f"byte {start + offset} is {block[offset]:#04x}, not {good[offset]:#04x}"
    return f"a byte of {start} to {start + len(block) - 1} is wrong"


def _read_block(path: Path, start: int, size: int) -> bytes:
    try:
        with path.open("rb") as stream:
            stream.seek(start)
            return stream.read(size)
    except OSError:
        return b""


def _measure(stream: Iterator[bytes]) -> tuple[str, FileBlocks]:
    whole, size, digests = hashlib.sha256(), 0, []
    for block in _cut(stream, BLOCK):
        whole.update(block)
        size += len(block)
        digests.append(hashlib.sha256(block).hexdigest())
    return whole.hexdigest(), FileBlocks(bytes=size, sha256=tuple(digests))


def _cut(stream: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield the stream in blocks of `size` bytes, and what is left."""
    rest = bytearray()
    for data in stream:
        if len(data) == size and not rest:  # as files are read here
            yield data
            continue
        rest += data
        while len(rest) >= size:
            yield bytes(rest[:size])
            del rest[:size]
    if rest:
        yield bytes(rest)
