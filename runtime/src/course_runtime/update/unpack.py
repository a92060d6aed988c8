"""Unpacks the archive of a content release: the files that its manifest lists, as they are listed, and nothing else."""

import json
import re
import tarfile
import zlib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from course_runtime.files.manifest import MANIFEST, Manifest, parse_manifest
from course_runtime.machine.machine import Machine
from course_runtime.update.answers import TELL, Untrue

MANIFEST_LIMIT = 1 << 20
LIMIT = 256 * 10**6
"""The most bytes of all files together."""

VERSIONS = "/opt/course/versions.json"
PLACE = re.compile(rb"\{\{ ([a-z0-9-]+) \}\}")
"""Where a Markdown page names a package, or the content release itself; the product fills in its own versions."""


def unpack(archive: Path, target: Path, where: str) -> Manifest:
    """Unpack `archive` into the new folder `target`; raise Untrue when one file is not as the manifest says.

    The manifest is the first file. All others are plain files that it lists, with the SHA-256 that it lists.
    """
    manifest: Manifest | None = None
    seen: set[str] = set()
    left = LIMIT
    target.mkdir(mode=0o755)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                limit = left if manifest else MANIFEST_LIMIT
                if not member.isreg() or member.size > limit or member.name in seen:
                    raise Untrue(f"{where}: {member.name!r} is no plain file, is too large, or comes twice", TELL)
                source = tar.extractfile(member)
                data = source.read() if source else b""
                left -= len(data)
                seen.add(member.name)
                if manifest is None:
                    manifest = read_first(member.name, data, where)
                elif manifest.files.get(member.name) != sha256(data).hexdigest():
                    raise Untrue(f"{where}: {member.name!r} is not a file that the manifest lists", TELL)
                write(target, member.name, data)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # of this machine, as a full disk
            raise
        raise Untrue(f"{where} is no archive ({error})", TELL) from None
    if manifest is None or seen != {MANIFEST, *manifest.files}:
        raise Untrue(f"{where} lacks files that its manifest lists", TELL)
    return manifest


def read_first(name: str, data: bytes, where: str) -> Manifest:
    """Return the manifest that is the first file of an archive."""
    try:
        if name != MANIFEST:
            raise ValueError(f"{name!r} comes before it")
        manifest = parse_manifest(data)
        if MANIFEST in manifest.files or any(not is_plain(path) for path in manifest.files):
            raise ValueError("it lists a path that is none")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Untrue(f"{where} has no manifest ({error})", TELL) from None
    return manifest


def is_plain(path: str) -> bool:
    """Return whether a path is relative, has no empty or dotted part, and no character that cannot be seen."""
    return path.isprintable() and "\\" not in path and all(part.strip(".") for part in path.split("/"))


def write(target: Path, name: str, data: bytes) -> None:
    """Write one file, which is not there yet, and the folders above it."""
    path = target / name
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(data)


def fill_in(content: Path, manifest: Manifest, machine: Machine) -> None:
    """Let the Markdown pages of `content` show the versions of this product; the manifest then lists these pages."""
    shown = {**read_versions(machine), "content-release": str(manifest.release)}
    changed = dict(manifest.files)
    for name in [name for name in manifest.files if name.endswith(".md")]:
        page = (content / name).read_bytes()
        filled = PLACE.sub(lambda place: shown.get(place[1].decode(), "(not installed)").encode(), page)
        if filled != page:
            (content / name).write_bytes(filled)
            changed[name] = sha256(filled).hexdigest()
    path = content / MANIFEST
    values = json.loads(path.read_bytes())
    path.write_text(json.dumps({**values, "files": changed}, indent=1, sort_keys=True) + "\n")


def read_versions(machine: Machine) -> Mapping[str, str]:
    """Return the versions of this product's Python packages, by canonical name; empty when they are not known."""
    try:
        return {str(name): str(version) for name, version in json.loads(machine.path(VERSIONS).read_bytes()).items()}
    except (OSError, ValueError, AttributeError):
        return {}
