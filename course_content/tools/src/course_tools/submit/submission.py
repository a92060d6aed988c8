"""What a student hands in, a folder or a zip archive, as a clean working copy: the part of `course-submit` that copies.

Nothing outside the submission gets into the copy, neither by a link nor by a name in the archive, and what is left out
is listed with its reason.
"""

import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

MEGABYTE = 1 << 20
LARGEST_FILE = 100 * MEGABYTE
LARGEST_TOTAL = 500 * MEGABYTE
MOST_FILES = 5000
CACHES = {"__pycache__", "__MACOSX", "node_modules"}
CACHE_SUFFIXES = {".pyc", ".pyo"}
TEST = "test.py"

PAGES = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")
STREAM = re.compile(rb"/ObjStm.{0,400}?stream\r?\n", re.DOTALL)


class UnusableSubmissionError(Exception):
    """One line for the student: nothing can be run, and why."""


@dataclass
class Copy:
    """A clean working copy, and what did not come into it."""

    folder: Path
    files: list[PurePosixPath] = field(default_factory=list)
    size: int = 0
    left_out: list[str] = field(default_factory=list)

    def leave_out(self, name: object, reason: str) -> None:
        self.left_out.append(f"{name} ({reason})")

    def has_room(self, name: object, size: int) -> bool:
        """Return whether a file of `size` bytes fits into the limits; says so when it does not."""
        if size > LARGEST_FILE:
            self.leave_out(name, f"{format_size(size)}, more than {format_size(LARGEST_FILE)}")
        elif self.size + size > LARGEST_TOTAL:
            self.leave_out(name, f"more than {format_size(LARGEST_TOTAL)} in all")
        elif len(self.files) >= MOST_FILES:
            self.leave_out(name, f"more than {MOST_FILES} files")
        else:
            return True
        return False


def copy_submission(source: Path, scratch: Path) -> Copy:
    """Copy the folder, or unpack the zip archive, `source` below `scratch`; raise UnusableSubmissionError."""
    if source.is_dir():
        copy = Copy(make_folder(scratch, source.resolve().name))
        copy_folder(source.resolve(), copy)
    elif source.is_file() and zipfile.is_zipfile(source):
        copy = Copy(make_folder(scratch, source.stem))
        unpack(source, copy)
    elif source.exists():
        raise UnusableSubmissionError(f"{source} is neither a folder nor a zip archive: give the folder with {TEST}")
    else:
        raise UnusableSubmissionError(f"{source} is not there: give the folder with {TEST}")
    return copy


def make_folder(scratch: Path, name: str) -> Path:
    folder = scratch / "work" / (name or "submission")
    folder.mkdir(parents=True)
    return folder


def skip_reason(name: str) -> str:
    """Return why a file or folder of this name is never handed in; "" if it is."""
    if name.startswith("."):
        return "hidden"
    if name in CACHES or Path(name).suffix in CACHE_SUFFIXES:
        return "a cache"
    return ""


def copy_folder(source: Path, copy: Copy) -> None:
    """Copy what is below `source`, without following a link out of it."""
    for path, inside in walk(source, source, PurePosixPath(), copy):
        try:
            size = path.stat().st_size
            if not copy.has_room(inside, size):
                continue
            target = copy.folder / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
        except OSError as error:
            copy.leave_out(inside, error.strerror or str(error))
            continue
        copy.files.append(inside)
        copy.size += size


def walk(top: Path, folder: Path, inside: PurePosixPath, copy: Copy) -> Iterator[tuple[Path, PurePosixPath]]:
    """Yield the plain files below `folder` with their names in the copy; `top` is what no link may leave."""
    try:
        children = sorted(folder.iterdir())
    except OSError as error:
        copy.leave_out(inside, error.strerror or str(error))
        return
    for child in children:
        name = inside / child.name
        if reason := skip_reason(child.name):
            copy.leave_out(name, reason)
        elif child.is_symlink():
            target = Path(os.path.realpath(child))
            if target.is_file() and target.is_relative_to(top) and not child.parent.is_relative_to(target):
                yield target, name
            else:
                where = "a broken link" if not target.exists() else "a link to a folder"
                reason = where if target.is_relative_to(top) else f"a link out of the folder, to {child.readlink()}"
                copy.leave_out(name, reason)
        elif child.is_dir():
            if (child / "pyvenv.cfg").exists():
                copy.leave_out(name, "a virtual environment")
            else:
                yield from walk(top, child, name, copy)
        elif child.is_file():
            yield child, name
        else:
            copy.leave_out(name, "neither a file nor a folder")


def unpack(source: Path, copy: Copy) -> None:
    """Unpack an archive; names that lead out of it, and links, are left out. Raise UnusableSubmissionError."""
    try:
        with zipfile.ZipFile(source) as archive:
            for entry in archive.infolist():
                if not entry.is_dir():
                    unpack_entry(archive, entry, copy)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as error:
        raise UnusableSubmissionError(
            f"{source.name}: the archive cannot be unpacked ({error}): make it anew"
        ) from error


def unpack_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, copy: Copy) -> None:
    """Unpack one file of `archive`."""
    inside = PurePosixPath(entry.filename.replace("\\", "/"))
    reasons = [reason for part in inside.parts if part != ".." and (reason := skip_reason(part))]
    if inside.is_absolute() or ".." in inside.parts or not inside.parts or ":" in inside.parts[0]:
        copy.leave_out(entry.filename, "leads out of the archive")
    elif reasons:
        copy.leave_out(inside, reasons[0])
    elif stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        copy.leave_out(inside, "a link, or no plain file")
    elif entry.flag_bits & 1:
        copy.leave_out(inside, "encrypted")
    elif inside in copy.files:
        copy.leave_out(inside, "twice in the archive")
    elif copy.has_room(inside, entry.file_size):
        target = copy.folder / inside
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as packed, target.open("wb") as file:
                size = copy_at_most(packed, file, entry.file_size)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            copy.leave_out(inside, "a file and a folder of one name")
            return
        copy.files.append(inside)
        copy.size += size


def copy_at_most(packed: IO[bytes], file: IO[bytes], most: int) -> int:
    """Copy at most `most` bytes, what the archive's list promises; return their number."""
    size = 0
    while size < most and (piece := packed.read(min(MEGABYTE, most - size))):
        file.write(piece)
        size += len(piece)
    return size


def find_tests(copy: Copy) -> list[PurePosixPath]:
    """Return the folders (inside the copy) whose test.py is run: the top one, else those nearest to it."""
    folders = sorted(path.parent for path in copy.files if path.name == TEST)
    nearest = min((len(folder.parts) for folder in folders), default=0)
    return [folder for folder in folders if len(folder.parts) == nearest]


def measure_zip(copy: Copy) -> int:
    """Return the bytes that the copy has as a zip archive."""

    class Counter:
        """A file that only counts."""

        def __init__(self) -> None:
            self.size = 0

        def write(self, data: bytes) -> int:
            self.size += len(data)
            return len(data)

        def flush(self) -> None: ...

        def close(self) -> None: ...

    counter = Counter()
    with zipfile.ZipFile(counter, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in copy.files:
            archive.write(copy.folder / path, str(path))
    return counter.size


def count_pages(path: Path) -> int:
    """Return the pages of a PDF file; 0 where they cannot be counted (encrypted, damaged, no PDF)."""
    with suppress(OSError):
        if path.stat().st_size <= LARGEST_FILE:
            data = path.read_bytes()
            count = len(PAGES.findall(data))
            for match in STREAM.finditer(data):  # newer files keep their objects in compressed streams
                with suppress(zlib.error):
                    count += len(PAGES.findall(zlib.decompressobj().decompress(data[match.end() :], LARGEST_FILE)))
            return count
    return 0


def format_size(size: int) -> str:
    """Return `size` in bytes as a student reads it."""
    if size < 1000:
        return f"{size} bytes"
    for unit in ("kB", "MB"):
        size_in_unit = size / 1024 if unit == "kB" else size / MEGABYTE
        if size_in_unit < 1000:
            return f"{size_in_unit:.3g} {unit}" if size_in_unit < 100 else f"{size_in_unit:.0f} {unit}"
    return f"{size / (1 << 30):.3g} GB"
