"""Reads the read-only Python environment of a disk image with unsquashfs: no mount, no loop device, no boot."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path

from smoke_tests.ext4 import Entry

PARTITION = "python"
# A line of `unsquashfs -lln`: rights, owner/group, size, date, time, path (and the target of a link).
LINE = re.compile(r"^([-dlbcps])([-rwxsStT]{9}) +(\d+)/(\d+) +(\d+) [-\d]+ [:\d]+ squashfs-root(/.*?)(?: -> .*)?$")
VARIANTS = {"-": 0o100000, "d": 0o040000, "l": 0o120000}


def list_environment(disk: Path, place: str) -> dict[str, Entry]:
    """Every file and folder of the squashfs in the raw image `disk`, with its path below `place`."""
    argv = ["unsquashfs", "-offset", str(find_start(disk)), "-lln", str(disk)]
    listed = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    matches = [match for line in listed.splitlines() if (match := LINE.match(line))]
    return {f"{place}{match[6]}": read_entry(match) for match in matches}


def hash_file(disk: Path, path: str) -> str:
    """Return the sha256 of a file, in hexadecimal digits; `path` lies in the squashfs and begins without a slash."""
    argv = ["unsquashfs", "-offset", str(find_start(disk)), "-cat", str(disk), path]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        digest = hashlib.file_digest(process.stdout, "sha256").hexdigest()  # type: ignore[arg-type]
    assert process.returncode == 0, f"unsquashfs cannot read {path}"
    return digest


def find_start(disk: Path) -> int:
    """Return the first byte of the squashfs."""
    shown = subprocess.run(["sfdisk", "--json", str(disk)], check=True, capture_output=True, text=True)
    table = json.loads(shown.stdout)["partitiontable"]
    (start,) = [part["start"] * table["sectorsize"] for part in table["partitions"] if part["name"] == PARTITION]
    return int(start)


def read_entry(match: re.Match[str]) -> Entry:
    kind, rights, uid, gid, size = match.group(1, 2, 3, 4, 5)
    bits = sum(1 << (8 - place) for place, letter in enumerate(rights) if letter not in "-ST")
    special = sum(bit for place, bit in ((2, 0o4000), (5, 0o2000), (8, 0o1000)) if rights[place] in "sStT")
    return Entry(inode=-1, mode=VARIANTS.get(kind, 0) | bits | special, uid=int(uid), gid=int(gid), size=int(size))
