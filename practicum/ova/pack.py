"""The OVA: descriptor, manifest and disk in one USTAR archive, published only when it is complete and conformant."""

import hashlib
import io
import os
import shutil
import tarfile
from pathlib import Path
from typing import BinaryIO

from practicum.engine.errors import PracticumError
from practicum.engine.publish import new_file, new_file_with_checksum
from practicum.ova import conformance

_MAX_MEMBER = 8 * 2**30  # bytes: a USTAR size field has 11 octal digits, and VirtualBox reads no PAX header
_CHUNK = 1 << 20


def write(out: Path, descriptor: bytes, disk: Path, *, name: str, mtime: int) -> None:
    """Pack `out` (an `.ova`) and its checksum, as `new_file_with_checksum` does.

    Whatever happens, `out` is the last good file or the new one.

    Args:
        out: replaced when the new archive is complete.
        descriptor: bytes of `<name>.ovf`; it refers to the disk as `<name>-disk001.vmdk`.
        disk: stream-optimised VMDK.
        name: base name of the members.
        mtime: time stamp of the members, seconds since 1970.

    Raises:
        PracticumError: the disk is missing or too large for the archive, or the result breaks a rule of `conformance`.
    """
    with new_file_with_checksum(out) as new:
        _pack(new.stream, descriptor, disk, name, mtime)
        new.stream.flush()
        report = conformance.check(new.path)
        if not report.ok:
            causes = "; ".join(f"{finding.rule}: {finding.detail}" for finding in report.broken)
            raise PracticumError(str(out), f"not written, it breaks rules ({causes})", "correct the description")


def disk_name(name: str) -> str:
    """Return the disk's file name inside the OVA called `name`."""
    return f"{name}-disk001.vmdk"


def disk_of(ova: Path, out: Path) -> None:
    """Extract the disk of `ova` to `out`, to boot it.

    Raises:
        PracticumError: the file is no OVA or holds no disk.
    """
    try:
        with tarfile.open(ova, "r:") as archive:
            member = next((member for member in archive if member.name.endswith(".vmdk") and member.isfile()), None)
            source = archive.extractfile(member) if member else None
            if source is None:
                raise PracticumError(str(ova), "holds no .vmdk", "build it again")
            with new_file(out) as new:
                shutil.copyfileobj(source, new.stream, _CHUNK)
    except (OSError, tarfile.TarError) as error:
        raise PracticumError(str(ova), f"cannot be read as an OVA ({error})", "build it again") from error


def _pack(stream: BinaryIO, descriptor: bytes, disk: Path, name: str, mtime: int) -> None:
    try:
        source = disk.open("rb")
    except OSError as error:
        raise PracticumError(str(disk), f"cannot be read ({error.strerror})", "write the disk first") from error
    with source, tarfile.open(fileobj=stream, mode="w|", format=tarfile.USTAR_FORMAT, bufsize=_CHUNK) as archive:
        size = os.fstat(source.fileno()).st_size
        if size >= _MAX_MEMBER:
            raise PracticumError(str(disk), f"{size} bytes do not fit an OVA (below 8 GiB)", "put less on the disk")
        digests = {f"{name}.ovf": hashlib.sha256(descriptor), disk_name(name): hashlib.file_digest(source, "sha256")}
        manifest = "".join(f"SHA256({file})= {digest.hexdigest()}\n" for file, digest in digests.items()).encode()
        source.seek(0)
        # The order is part of the format: VirtualBox streams forward and needs the manifest before the disk.
        archive.addfile(_member(f"{name}.ovf", len(descriptor), mtime), io.BytesIO(descriptor))
        archive.addfile(_member(f"{name}.mf", len(manifest), mtime), io.BytesIO(manifest))
        archive.addfile(_member(disk_name(name), size, mtime), source)


def _member(name: str, size: int, mtime: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, mtime, 0o644
    member.uname = member.gname = "root"
    return member
