"""What `docker save` wrote becomes an OCI archive whose bytes follow from the files of the image alone.

Docker notes in an image when each of its layers was made, by which command, and in which container. A layer holds the
time at which a build wrote each file, and that of each removal. None of this is said here: every layer is written anew,
no file of it is younger than the epoch, and the configuration names the stage that made it. So a layer that was built
again with the same files keeps its digest, and nobody pulls it again.

https://github.com/opencontainers/image-spec: layer.md, config.md, manifest.md, image-layout.md
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import zstandard

from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.engine.publish import HashingWriter

LEVEL = 3
"""Of zstd: its own default, at which layers are packed as fast as docker hands them out."""

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+zstd"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"

XATTR = "SCHILY.xattr."
"""Prefix of the pax headers that hold extended attributes, such as the capabilities of a program."""

PLATFORM = ("architecture", "os", "variant")
BLOCK = 1 << 20


@dataclass(frozen=True)
class Blob:
    """One content of an archive: its media type, digest ("sha256:..."), size in bytes, and the file that holds it."""

    media_type: str
    digest: str
    size: int
    path: Path

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True)
class PackedImage:
    """An image as blobs: its manifest, everything that belongs to it, and the platform that runs it, in OCI's words."""

    manifest: Blob
    blobs: tuple[Blob, ...]
    platform: Mapping[str, str]


def pack_image(
    saved: Path, *, name: str, stages: Sequence[str], epoch: int, work: Path, console: Console
) -> PackedImage:
    """Write the image of `saved`, a file of `docker save`, as blobs into the folder `work`.

    name: of the image, for messages. stages: the stage of each layer, the lowest first. epoch: seconds since 1970.
    Raises PracticumError when the image has another number of layers than `stages`.
    """
    with tarfile.open(saved) as image:
        described = json.load(_open(image, "manifest.json"))[0]
        config = json.load(_open(image, described["Config"]))
        if len(described["Layers"]) != len(stages):
            reason = f"it has {len(described['Layers'])} layers, and {len(stages)} stages make one"
            raise PracticumError(name, reason, "build it again with: practicum docker --again base")
        layers: list[Blob] = []
        contents: list[str] = []
        for stage, layer in zip(stages, described["Layers"], strict=True):
            console.say(f"packing the layer of {stage}")
            blob, content = write_layer(_open(image, layer), epoch, work / f"{len(layers)}.layer")
            layers.append(blob)
            contents.append(content)
    told = _write_json(describe_config(config, contents, stages, epoch), CONFIG_TYPE, work / "config")
    manifest = _write_json(
        {
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": told.descriptor,
            "layers": [blob.descriptor for blob in layers],
        }, MANIFEST_TYPE, work / "manifest",
    )  # fmt: skip
    return PackedImage(manifest, (*layers, told, manifest), {key: config[key] for key in PLATFORM if config.get(key)})


def write_oci_archive(images: Sequence[PackedImage], out: BinaryIO, *, name: str, epoch: int, work: Path) -> str:
    """Write an OCI archive to `out`; return the digest of what it holds under `name`.

    This is the manifest of the one image, or, of several for different platforms, an index by which each computer finds
    its own. epoch: seconds since 1970. work: a folder for the index.
    """
    named, *others = (image.manifest for image in images)
    if others:
        listed = [{**image.manifest.descriptor, "platform": dict(image.platform)} for image in images]
        document = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": listed}
        named = _write_json(document, INDEX_TYPE, work / "index")
    write_layout(out, [named, *(blob for image in images for blob in image.blobs)], named, name, epoch)
    return named.digest


def write_layer(source: IO[bytes], epoch: int, path: Path) -> tuple[Blob, str]:
    """Write the layer `source`, a tar, to `path`; return the compressed blob and the digest of its content."""
    with path.open("wb") as file:
        packed = HashingWriter(file)
        compressor = zstandard.ZstdCompressor(level=LEVEL, threads=-1)
        with compressor.stream_writer(cast(BinaryIO, packed), closefd=False) as squeezed:
            plain = HashingWriter(cast(BinaryIO, squeezed))
            with (
                tarfile.open(fileobj=source, mode="r|") as old,
                tarfile.open(fileobj=cast(BinaryIO, plain), mode="w|", format=tarfile.PAX_FORMAT) as new,
            ):
                new.copybufsize = BLOCK  # type: ignore[attr-defined]  # typeshed does not know it
                for member in old:
                    new.addfile(settle(member, epoch), old.extractfile(member) if member.isreg() else None)
    return Blob(LAYER_TYPE, f"sha256:{packed.digest}", packed.size, path), f"sha256:{plain.digest}"


def settle(member: tarfile.TarInfo, epoch: int) -> tarfile.TarInfo:
    """Return the entry without what differs between two builds: a time after `epoch`, names of owners, pax headers."""
    member.mtime = min(int(member.mtime), epoch)
    member.uname = member.gname = ""
    member.pax_headers = {key: value for key, value in member.pax_headers.items() if key.startswith(XATTR)}
    return member


def describe_config(
    config: Mapping[str, Any], contents: Sequence[str], stages: Sequence[str], epoch: int
) -> dict[str, Any]:
    """Return the image's configuration: how it starts, its layers, and the stage that made each."""
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    start = {key: value for key, value in config["config"].items() if value and key not in ("Image", "Hostname")}
    return {
        **{key: config[key] for key in PLATFORM if config.get(key)},
        "config": start,
        "created": created,
        "history": [{"created": created, "created_by": f"practicum {stage}"} for stage in stages],
        "rootfs": {"type": "layers", "diff_ids": list(contents)},
    }


def write_layout(out: BinaryIO, blobs: Sequence[Blob], named: Blob, name: str, epoch: int) -> None:
    """Write the archive: the layout's two small files, then each blob once; `named` is what has the name."""
    marked = {**named.descriptor, "annotations": {"org.opencontainers.image.ref.name": name}}
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [marked]}
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.USTAR_FORMAT) as archive:
        archive.copybufsize = BLOCK  # type: ignore[attr-defined]  # typeshed does not know it
        for path, document in (("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
            data = _as_json(document)
            archive.addfile(_describe_member(path, len(data), epoch), io.BytesIO(data))
        for digest, blob in sorted({blob.digest: blob for blob in blobs}.items()):
            with blob.path.open("rb") as content:
                archive.addfile(_describe_member(f"blobs/{digest.replace(':', '/')}", blob.size, epoch), content)


def _open(image: tarfile.TarFile, name: str) -> IO[bytes]:
    content = image.extractfile(name)  # follows the links by which older dockers write a layer once
    assert content is not None
    return content


def _describe_member(path: str, size: int, epoch: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.size, member.mtime, member.mode = size, epoch, 0o644
    return member


def _as_json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _write_json(document: Mapping[str, Any], media_type: str, path: Path) -> Blob:
    data = _as_json(document)
    path.write_bytes(data)
    return Blob(media_type, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data), path)
