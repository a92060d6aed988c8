"""What `publish` needs of a place to which releases go, and what it sends there."""

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from practicum.engine.errors import PracticumError
from practicum.release.places import JOIN, name_piece
from practicum.release.record import Record
from practicum.release.sums import BLOCKS, SIGNATURE, SUMS, Sums

LATEST = "latest"
"""The file that says which release a semester's students should take, where a target has no links or tags."""

LAST = ("release.json", BLOCKS, SIGNATURE, SUMS)
"""The files that are sent last, so that a release with a SHA256SUMS is complete."""

Report = Callable[[int], None]
"""Called with the number of bytes that were just sent or read."""


@dataclass(frozen=True)
class Release:
    """A verified release in a folder. limit: the most bytes of one file, 0 for the target's own; split: cut at it."""

    folder: Path
    record: Record
    sums: Sums
    limit: int = 0
    split: bool = False


@dataclass(frozen=True)
class Item:
    """One thing to send under a name that never gets another content.

    digest: sha256 of its content, hex. size: bytes to send. content: the bytes, or the file that has them from
    `offset` on.
    """

    name: str
    digest: str
    size: int
    content: Path | bytes
    offset: int = 0

    def open(self) -> BinaryIO:
        """Return a stream that stands at the first byte; read at most `size` bytes."""
        if isinstance(self.content, bytes):
            return io.BytesIO(self.content)
        stream = self.content.open("rb")
        stream.seek(self.offset)
        return stream


class Target(Protocol):
    """A place that releases are published to. It only looks and writes: `publish` decides and keeps the order."""

    def check(self) -> None:
        """Raise PracticumError where nothing could be published now: nobody answers, or refuses."""

    def list_items(self, release: Release) -> Sequence[Item]:
        """Return what to send, in order; raises PracticumError at a file that the target cannot take."""

    def find(self, item: Item) -> str | None:
        """Return the digest of what has the item's name, None when nothing has it; an unfinished one does not count."""

    def put(self, item: Item, report: Report) -> None:
        """Send the item, from where an earlier try stopped."""

    def complete(self, release: Release) -> None:
        """Make the release appear, now that all its items are there; does nothing the second time."""

    def list_shown(self, semester: str) -> set[int]:
        """Return the numbers of the releases that the semester's moving names show; 0 for a name that shows none."""

    def show(self, release: Release) -> None:
        """Switch the semester's moving names to this release, each in one step."""

    def describe(self, release: Release) -> list[str]:
        """Return the lines that say how to get the release from here."""


def list_files(release: Release, limit: int) -> list[Item]:
    """Return the files of a release as items: products first, SHA256SUMS last.

    limit: the most bytes that the target takes as one file, 0 for any. Raises PracticumError at a larger one, unless
    the release is to be split.
    """
    sums = release.sums
    names = sorted(sums.sha256, key=lambda name: -sums.blocks.files[name].bytes if name in sums.blocks.files else 0)
    items = []
    joins = []
    for name in [name for name in names if name not in LAST] + list(LAST):
        path = release.folder / name
        if not path.exists() and name == SIGNATURE:
            continue
        item = Item(name, sums.sha256.get(name) or _hash(path, 0, path.stat().st_size), path.stat().st_size, path)
        if not limit or item.size <= limit:
            items.append(item)
        elif not release.split:
            raise too_large(name, item.size, limit)
        else:
            items += _split(item, limit)
            joins.append(f"cat {name}.piece-* > {name}")
    if joins:
        text = "\n".join([*joins, f"sha256sum --check {SUMS}", ""]).encode()
        items.insert(0, Item(JOIN, hashlib.sha256(text).hexdigest(), len(text), text))
    return items


def too_large(name: str, size: int, limit: int) -> PracticumError:
    """Return the error about a file that the target does not take."""
    return PracticumError(name, f"has {size} bytes, the target takes {limit}", "add --split, or publish to a registry")


def read_number(name: str, semester: str) -> int:
    """Return the number of a release by its name, 2027-spring-r1; 0 for another name."""
    number = name.strip().removeprefix(f"{semester}-r")
    return int(number) if number.isdecimal() and name.strip() != number else 0


def _split(item: Item, limit: int) -> list[Item]:
    assert isinstance(item.content, Path)
    pieces = []
    for number, offset in enumerate(range(0, item.size, limit)):
        size = min(limit, item.size - offset)
        digest = _hash(item.content, offset, size)
        pieces.append(Item(name_piece(item.name, number), digest, size, item.content, offset))
    if len(pieces) > 100:
        raise PracticumError(item.name, f"would have {len(pieces)} pieces, 100 are the most", "choose a larger --limit")
    return pieces


def _hash(path: Path, offset: int, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        stream.seek(offset)
        while size and (data := stream.read(min(size, 1 << 20))):
            digest.update(data)
            size -= len(data)
    return digest.hexdigest()
