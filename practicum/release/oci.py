"""The manifests that a registry gets: an image as its archive has it, or a file as an artifact.

Sources: the OCI image specification 1.1 (manifest.md: "Guidelines for Artifact Usage"; image-layout.md).
"""

import hashlib
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from practicum.engine.errors import PracticumError
from practicum.images.oci import INDEX_TYPE, MANIFEST_TYPE
from practicum.release.target import Item

EMPTY = "application/vnd.oci.empty.v1+json"
OVA = "application/vnd.practicum.ova"
SBOM = "application/vnd.cyclonedx+json"
PROVENANCE = "application/vnd.in-toto+json"

TITLE = "org.opencontainers.image.title"
CREATED = "org.opencontainers.image.created"


@dataclass(frozen=True)
class Manifest:
    """A manifest and what it consists of. text: its exact bytes, whose digest is its identity. kind: its media type.

    blobs: configuration and layers. subject: the digest ("sha256:...") of the manifest that this one is attached to.
    listed: where it is an index of images for several platforms, theirs, whose blobs are among `blobs`.
    """

    text: bytes
    blobs: tuple[Item, ...]
    kind: str = MANIFEST_TYPE
    artifact: str = ""
    subject: str = ""
    listed: tuple["Manifest", ...] = ()

    @property
    def digest(self) -> str:
        """The identity of the manifest: "sha256:..."."""
        return f"sha256:{hashlib.sha256(self.text).hexdigest()}"

    @property
    def descriptor(self) -> dict[str, Any]:
        """What others say of this manifest to name it."""
        named = {"mediaType": self.kind, "digest": self.digest, "size": len(self.text)}
        return named | ({"artifactType": self.artifact} if self.artifact else {})


def read_archive(path: Path) -> Manifest:
    """Return what an OCI archive holds under its one name: an image, or an index of images for several platforms.

    The blobs are ranges of the archive. Raises PracticumError if it holds neither.
    """
    again = f"make it again: practicum archive --arch all --product {'cuda' if 'cuda' in path.name else 'cpu'}"
    try:
        with tarfile.open(path, "r:") as tar:
            members = {member.name.removeprefix("./"): member for member in tar if member.isfile()}

            def read(name: str) -> bytes:
                stream = tar.extractfile(members[name])
                return stream.read() if stream else b""

            def read_manifest(descriptor: Mapping[str, Any]) -> Manifest:
                text, kind = read(_locate(descriptor["digest"])), descriptor["mediaType"]
                manifest = json.loads(text)
                listed = tuple(read_manifest(other) for other in manifest["manifests"]) if kind == INDEX_TYPE else ()
                named = (manifest["config"], *manifest["layers"]) if not listed else ()
                found = [blob for other in listed for blob in other.blobs] + [locate(blob["digest"]) for blob in named]
                blobs = {blob.name: blob for blob in found}
                return Manifest(text, tuple(blobs.values()), kind, listed=listed)

            def locate(digest: str) -> Item:
                member = members[_locate(digest)]
                return Item(digest, digest.removeprefix("sha256:"), member.size, path, member.offset_data)

            (described,) = json.loads(read("index.json"))["manifests"]
            return read_manifest(described)
    except (OSError, tarfile.TarError, ValueError, KeyError) as error:
        raise PracticumError(str(path), f"is no OCI archive of one image ({error})", again) from None


def make_artifact(content: Item, title: str, kind: str, created: str, subject: Manifest | None = None) -> Manifest:
    """Return the manifest of a file, attached to `subject` where one is given.

    title: the name that the file gets where it is pulled. kind: its media type. created: RFC 3339.
    """
    empty = Item(_name(b"{}"), _name(b"{}").removeprefix("sha256:"), 2, b"{}")
    layer = {
        "mediaType": kind,
        "digest": f"sha256:{content.digest}",
        "size": content.size,
        "annotations": {TITLE: title},
    }
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": kind,
        "config": {"mediaType": EMPTY, "digest": empty.name, "size": 2},
        "layers": [layer],
        "annotations": {CREATED: created},
    }
    if subject:
        document["subject"] = {"mediaType": subject.kind, "digest": subject.digest, "size": len(subject.text)}
    text = json.dumps(document, sort_keys=True).encode()
    return Manifest(text, (empty, content), artifact=kind, subject=subject.digest if subject else "")


def add_referrer(index: dict[str, Any] | None, manifest: Manifest) -> bytes:
    """Return the index of what is attached to a manifest, with one more."""
    others = [other for other in (index or {}).get("manifests", []) if other["digest"] != manifest.digest]
    document = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [*others, manifest.descriptor]}
    return json.dumps(document, sort_keys=True).encode()


def _locate(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _name(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
