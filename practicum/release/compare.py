"""Name, for two builds of one product, the stages that made something else and the first files that differ.

diffoscope unpacks whatever it meets and shows each difference to the end; this reads layers as streams, reads
stream-optimised disks, and sorts what it finds by the stage of the build that made it.
"""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from practicum.engine import cache
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.ova.vmdk_reader import Source, VmdkError
from practicum.release import disks
from practicum.release.builds import Build, open_build
from practicum.release.entries import Difference, compare_listings
from practicum.release.layers import compare_images

FIRST = 10
"""Differences of a stage that are printed."""

CHUNK = 1 << 20


def compare(a: Path, b: Path, console: Console) -> list[Difference]:
    """Return what two builds of one product differ in; [] when they are the same bytes.

    Raises PracticumError when they are not two appliances or two archives, or are damaged.
    """
    one, other = open_build(a), open_build(b)
    if one.kind != other.kind:
        raise PracticumError(str(b), f"is {other.kind}, {a} is {one.kind}", "give two builds of one product")
    offset = find_difference(a, b, console)
    if offset is None:
        return []
    compare_kind = compare_appliances if one.kind == "an .ova" else compare_images
    found = compare_kind(one, other, console)
    return found or [Difference("file", a.name, f"differs from byte {offset} on, though all its members are equal")]


def render(differences: Sequence[Difference]) -> str:
    """Return the differences by stage, at most FIRST of each, a line for each."""
    lines = []
    for stage in dict.fromkeys(difference.stage for difference in differences):
        found = [difference for difference in differences if difference.stage == stage]
        lines += [stage, *(f"  {difference.where}: {difference.what}" for difference in found[:FIRST])]
        if len(found) > FIRST:
            lines.append(f"  and {len(found) - FIRST} more")
    return "\n".join(lines).encode(errors="backslashreplace").decode()  # names of files may be no text


def find_difference(a: Path, b: Path, console: Console) -> int | None:
    """Return the first byte in which two files differ, None when they are equal."""
    offset = 0
    with a.open("rb") as one, b.open("rb") as other, console.transfer("comparing bytes", a.stat().st_size) as report:
        while True:
            ours, theirs = one.read(CHUNK), other.read(CHUNK)
            if ours != theirs:
                return offset + next(
                    (index for index, (x, y) in enumerate(zip(ours, theirs, strict=False)) if x != y),
                    min(len(ours), len(theirs)),
                )
            if not ours:
                return None
            offset += len(ours)
            report(len(ours))


def compare_appliances(a: Build, b: Build, console: Console) -> list[Difference]:
    """Return the differences of two `.ova` files: first their members, then the disk."""
    found = compare_listings("ova", a.list_headers(), b.list_headers())
    for name in (name for name in a.members if name in b.members and not name.endswith(".vmdk")):
        found += compare_text(name, a.read(name), b.read(name))
    names = [next((name for name in side.members if name.endswith(".vmdk")), "") for side in (a, b)]
    if not all(names):
        return found
    with a.path.open("rb") as one, b.path.open("rb") as other, cache.work_folder("compare") as work:
        sources = [
            Source(file.fileno(), side.members[name].offset_data, side.members[name].size)
            for file, side, name in ((one, a, names[0]), (other, b, names[1]))
        ]
        console.say("comparing the disks")
        try:
            return found + disks.compare_disks(disks.Disk(sources[0]), disks.Disk(sources[1]), work, console)
        except VmdkError as error:
            raise PracticumError(f"{a.path}, {b.path}", f"a disk is damaged ({error})", "build it again") from error


def compare_text(name: str, a: bytes, b: bytes) -> list[Difference]:
    """Return the first line in which two texts differ."""
    pairs = zip_longest(a.decode(errors="replace").splitlines(), b.decode(errors="replace").splitlines(), fillvalue="")
    for number, (one, other) in enumerate(pairs, 1):
        if one != other:
            return [Difference("ova", name, f"line {number}: {one.strip()}, {other.strip()}")]
    return []
