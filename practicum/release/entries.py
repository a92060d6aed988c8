"""What the trees of two builds differ in: a listing of each, from a tar stream or from a folder, and their comparison.

A listing has what two builds must agree in, with digests in place of contents. So neither tree is ever in memory.
"""

import hashlib
import os
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO

from practicum.engine.cache import hash_file

SHOWN = 60
"""Characters of a value that a difference quotes."""

DIGITS = 12
"""Hexadecimal digits of a digest that a difference quotes."""


@dataclass(frozen=True)
class Difference:
    """One thing in which two builds differ.

    stage: the stage that made it; "manifest", "config" or "archive" for what is no layer of an image. where: a path, a
    key or a region of the disk. what: how it differs, A's value first.
    """

    stage: str
    where: str
    what: str


@dataclass(frozen=True)
class Entry:
    """A file, folder, link or device, without its name.

    kind: such as "file". mode: permission bits. owner: "uid:gid", followed by names where an archive has them. mtime:
    seconds since 1970. link: the target of a link, the numbers of a device. sha256: of a file's content, hexadecimal.
    extra: extended attributes ("xattr NAME") and other headers of a tar member ("header NAME").
    """

    kind: str
    mode: int
    owner: str
    mtime: float
    link: str = ""
    sha256: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)


Listing = Mapping[str, Entry]
"""Absolute path inside the tree -> what is there, in the order of reading."""

_TAR_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "hard link",
    tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device",
    tarfile.FIFOTYPE: "pipe",
}
_FILE_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}
_XATTR = "SCHILY.xattr."
_FIELDS = ("path", "linkpath", "size", "uid", "gid", "uname", "gname", "mtime")
"""Headers of a tar member that have a field of their own in Entry, or that the content's digest covers."""


def list_tar(archive: tarfile.TarFile) -> dict[str, Entry]:
    """Return the listing of an open archive, read once from front to back; raises tarfile.TarError."""
    return {
        str(PurePosixPath("/", member.name)): describe_member(
            member, archive.extractfile(member) if member.isreg() else None
        )
        for member in archive
    }


def describe_member(member: tarfile.TarInfo, content: IO[bytes] | None = None) -> Entry:
    """Return what a member of an archive is, with the digest of `content` when it is given."""
    names = f" {member.uname}:{member.gname}" if member.uname or member.gname else ""
    link = f"{member.devmajor}:{member.devminor}" if member.isdev() and not member.isfifo() else member.linkname
    extra = {
        f"xattr {name.removeprefix(_XATTR)}" if name.startswith(_XATTR) else f"header {name}": value
        for name, value in member.pax_headers.items()
        if name not in _FIELDS
    }
    return Entry(
        kind=_TAR_KINDS.get(member.type, f"type {member.type!r}"),
        mode=stat.S_IMODE(member.mode),  # skopeo's members also have the type in it
        owner=f"{member.uid}:{member.gid}{names}",
        mtime=member.mtime,
        link=link,
        sha256=hashlib.file_digest(content, "sha256").hexdigest() if content else "",  # type: ignore[arg-type]
        extra=extra,
    )


def list_folder(folder: Path, inside: str, *, link_times: bool = True) -> dict[str, Entry]:
    """Return the listing of a tree of the host, which has the path `inside` in the product.

    link_times: whether the time of a link counts.
    """
    entries = {path: describe_file(path) for path in sorted(_walk(folder))}
    return {
        str(PurePosixPath(inside, path.relative_to(folder))): (
            entry if link_times or entry.kind != "link" else replace(entry, mtime=0)
        )
        for path, entry in entries.items()
    }


def describe_file(path: Path) -> Entry:
    """Return what a file of the host is, without following links; raises OSError."""
    facts = path.lstat()
    device = stat.S_ISCHR(facts.st_mode) or stat.S_ISBLK(facts.st_mode)
    number = f"{os.major(facts.st_rdev)}:{os.minor(facts.st_rdev)}" if device else ""
    names = os.listxattr(path, follow_symlinks=False)
    return Entry(
        kind=_FILE_KINDS[stat.S_IFMT(facts.st_mode)],
        mode=stat.S_IMODE(facts.st_mode),
        owner=f"{facts.st_uid}:{facts.st_gid}",
        mtime=facts.st_mtime,
        link=os.readlink(path) if path.is_symlink() else number,  # noqa: PTH115 (a path drops a trailing slash)
        sha256=hash_file(path) if stat.S_ISREG(facts.st_mode) else "",
        extra={f"xattr {name}": os.getxattr(path, name, follow_symlinks=False).hex() for name in names},
    )


def compare_listings(stage: str, a: Listing, b: Listing) -> list[Difference]:
    """Return the differences between two listings, sorted by path."""
    found = []
    for path in sorted({*a, *b}):
        one, other = a.get(path), b.get(path)
        if one is None or other is None:
            found.append(Difference(stage, path, "only in B" if one is None else "only in A"))
        elif one != other:
            found.append(Difference(stage, path, "; ".join(compare_entries(one, other))))
    return found


def compare_entries(a: Entry, b: Entry) -> Iterator[str]:
    """Yield each property in which two entries of one path differ, with both values."""
    shows: Mapping[str, tuple[str, Callable[[str], str]]] = {
        "sha256": ("content sha256", lambda text: text[:DIGITS] or "none"),
        "kind": ("type", str),
        "mode": ("mode", lambda text: f"{int(text):04o}"),
        "owner": ("owner", str),
        "mtime": ("mtime", lambda text: datetime.fromtimestamp(float(text), UTC).isoformat()),
        "link": ("link target", lambda text: text or "none"),
    }
    for name, (title, show) in shows.items():
        one, other = getattr(a, name), getattr(b, name)
        if one != other:
            yield f"{title} {show(str(one))}, {show(str(other))}"
    for name in sorted({*a.extra, *b.extra}):
        if a.extra.get(name) != b.extra.get(name):
            yield name


def compare_values(stage: str, a: Mapping[str, str], b: Mapping[str, str]) -> list[Difference]:
    """Return the keys whose values differ, or that only one side has, sorted."""
    found = []
    for key in sorted({*a, *b}):
        one, other = a.get(key), b.get(key)
        if one is None or other is None:
            found.append(Difference(stage, key, "only in B" if one is None else "only in A"))
        elif one != other:
            found.append(Difference(stage, key, f"{one[:SHOWN]}, {other[:SHOWN]}"))
    return found


def _walk(folder: Path) -> Iterator[Path]:
    yield folder
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *files))
