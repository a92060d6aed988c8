"""torchvision for CPU machines that can reach only the general Python index.

The torchvision wheel there is built for CUDA: its compiled extensions link libraries a `+cpu` torch does not bring, so
no operator gets registered, and the module that registers their fakes then breaks `import torchvision` itself. This
module tells such a wheel by its ELF headers and repacks it without those extensions. What remains works on a CPU:
datasets, transforms, models, utils; the detection operators and the native image codecs raise torchvision's own error.
"""

import base64
import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from packaging.utils import parse_wheel_filename

from practicum.engine.errors import PracticumError
from practicum.engine.publish import new_file

LOCAL_VERSION = "noops"  # "without operators": 0.28.0 becomes 0.28.0+noops wherever the version is read
CUDA_LIBRARY = re.compile(r"lib(torch_cuda|c10_cuda|cudart|cuda|nvjpeg)[.-]")
FAKES = "torchvision/_meta_registrations.py"
VERSION = "torchvision/version.py"
UNGUARDED = re.compile(r"^@torch\.library\.register_fake\(", re.MULTILINE)
# What this module makes of a wheel changes with this module, and so does the folder that keeps it.
RECIPE = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
GUARD = """
def _register_fake(op_name):
    # Changed by practicum: this build has no compiled operators, so there is nothing to register a fake for.
    if torchvision.extension._has_ops():
        return torch.library.register_fake(op_name)
    return lambda fn: fn


"""


def needs_repacking(wheel: Path) -> bool:
    """Whether a compiled extension of `wheel` cannot be loaded beside a `+cpu` torch."""
    with _open(wheel) as archive:
        return bool(_find_cuda_extensions(archive))


def repack_for_cpu(wheel: Path, folder: Path) -> Path:
    """Write `wheel` without its CUDA extensions, and what only they need, below `folder`; return the new wheel.

    It is made once. What it is depends on the bytes of `wheel` only: entries are stored uncompressed, so that no zlib
    version shows through, with the times of the original. Raises PracticumError when `wheel` is not a readable wheel.
    """
    name, version, _, _ = parse_wheel_filename(wheel.name)
    old, new = str(version), f"{version}+{LOCAL_VERSION}"
    info, new_info = (f"{name}-{text}.dist-info" for text in (old, new))
    target = folder / RECIPE / wheel.name.replace(f"-{old}-", f"-{new}-", 1)
    if target.exists():  # it takes its name only when it is complete, and no other recipe writes here
        return target
    with _open(wheel) as archive:
        dropped = _find_dropped(archive)
        entries = {
            entry.filename.replace(info, new_info, 1): (entry, archive.read(entry))
            for entry in archive.infolist()
            if not entry.is_dir() and entry.filename not in dropped
        }
    contents = {path: _rewrite(path, data, f"{new_info}/METADATA", new) for path, (_, data) in entries.items()}
    record = f"{new_info}/RECORD"
    contents[record] = _write_record(record, contents)
    with new_file(target) as out, zipfile.ZipFile(out.stream, "w", zipfile.ZIP_STORED) as repacked:
        for path in sorted(contents, key=lambda path: (path.startswith(new_info), path)):  # metadata last, as is usual
            original = entries[path][0]
            entry = zipfile.ZipInfo(path, original.date_time)
            entry.external_attr, entry.create_system = original.external_attr, original.create_system
            repacked.writestr(entry, contents[path])
    return target


def _find_cuda_extensions(archive: zipfile.ZipFile) -> set[str]:
    return {
        path
        for path, needed in _read_needed(archive).items()
        if not _is_bundled(path) and any(CUDA_LIBRARY.match(library) for library in needed)
    }


def _find_dropped(archive: zipfile.ZipFile) -> set[str]:
    """Return the CUDA extensions, and the bundled libraries no other extension needs."""
    needed = _read_needed(archive)
    dropped = _find_cuda_extensions(archive)
    bundled = {PurePosixPath(path).name: path for path in needed if _is_bundled(path)}
    kept: set[str] = set()
    queue = [path for path in needed if path not in dropped and not _is_bundled(path)]
    while queue:
        path = queue.pop()
        kept.add(path)
        queue += [bundled[library] for library in needed[path] if library in bundled and bundled[library] not in kept]
    return dropped | (set(bundled.values()) - kept)


def _read_needed(archive: zipfile.ZipFile) -> dict[str, tuple[str, ...]]:
    """Return the DT_NEEDED entries of every shared library in the wheel, by its path."""
    needed = {}
    for path in archive.namelist():
        if re.search(r"\.so(\.\d+)*$", path):
            try:
                segments = ELFFile(io.BytesIO(archive.read(path))).iter_segments()
                tags = [
                    tag for part in segments if isinstance(part, DynamicSegment) for tag in part.iter_tags("DT_NEEDED")
                ]
            except ELFError as error:
                raise PracticumError(
                    str(archive.filename), f"{path} is not an ELF library ({error})", "remove it"
                ) from None
            needed[path] = tuple(getattr(tag, "needed") for tag in tags)  # noqa: B009 - set by pyelftools at run time
    return needed


def _is_bundled(path: str) -> bool:
    """Whether `path` is a library auditwheel put beside the package, not an extension of the package itself."""
    return PurePosixPath(path).parts[0].endswith(".libs")


def _rewrite(path: str, data: bytes, metadata: str, version: str) -> bytes:
    if path == metadata:
        return re.sub(rb"^Version: .*$", f"Version: {version}".encode(), data, count=1, flags=re.MULTILINE)
    if path == VERSION:
        return re.sub(rb"^__version__ = .*$", f"__version__ = {version!r}".encode(), data, count=1, flags=re.MULTILINE)
    if path == FAKES:
        text = data.decode()
        first = UNGUARDED.search(text)
        if first:  # a release that guards its fakes itself needs no help
            text = text[: first.start()].rstrip("\n") + "\n\n" + GUARD + text[first.start() :]
            return UNGUARDED.sub("@_register_fake(", text).encode()
    return data


def _write_record(record: str, contents: Mapping[str, bytes]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for path in sorted(set(contents) - {record}):
        digest = base64.urlsafe_b64encode(hashlib.sha256(contents[path]).digest()).rstrip(b"=").decode()
        writer.writerow([path, f"sha256={digest}", len(contents[path])])
    writer.writerow([record, "", ""])
    return out.getvalue().encode()


def _open(wheel: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(wheel)
    except (OSError, zipfile.BadZipFile) as error:
        raise PracticumError(str(wheel), f"is not a readable wheel ({error})", "delete it and run again") from None
