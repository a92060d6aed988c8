"""A release of a few megabytes: the files of a real one, an image that a registry accepts, and a key of its own."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from practicum.architecture import AMD64, Architecture
from practicum.release import content_release, provenance, signing, sums
from practicum.release.record import FILE, Product, Record, write_record

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"

OVA_BYTES = 5 * (1 << 20) + 77


def noise(size: int, seed: str) -> bytes:
    """Bytes that do not repeat, the same for the same seed."""
    return hashlib.shake_128(seed.encode()).digest(size)


def make_key(folder: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A private key; its public half lies beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / f"key-{kind}"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", key], check=True)
    return key


def allow(key: Path, signers: Path, namespaces: str = "practicum-release") -> Path:
    """Writes the file of allowed signers as its comments say."""
    public = key.with_name(f"{key.name}.pub").read_text().split()
    signers.write_text(f'# who may sign\nrelease namespaces="{namespaces}" {public[0]} {public[1]}\n')
    return signers


def make_archive(path: Path, seed: str, architectures: Sequence[Architecture] = (AMD64,)) -> dict[str, str]:
    """Writes an OCI archive of an image with two layers for each architecture.

    Returns the digest of each one's manifest; that of their index as "index", where there is one.
    """
    blobs: dict[str, bytes] = {}
    images = [_add_image(blobs, f"{seed}{architecture.suffix}", architecture) for architecture in architectures]
    digests = {one.name: str(image["digest"]) for one, image in zip(architectures, images, strict=True)}
    described = images[0]
    if len(images) > 1:
        listed = [
            {**image, "platform": {"architecture": one.name, "os": "linux"}}
            for one, image in zip(architectures, images, strict=True)
        ]
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
        described = {"mediaType": INDEX, **_add_blob(blobs, json.dumps(document).encode())}
        digests["index"] = described["digest"]
    index = {"schemaVersion": 2, "manifests": [described]}
    with tarfile.open(path, "w") as tar:
        for name, data in [
            ("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'),
            ("index.json", json.dumps(index).encode()),
            *((f"blobs/sha256/{digest}", data) for digest, data in blobs.items()),
        ]:
            _add(tar, name, data)
    return digests


def _add_image(blobs: dict[str, bytes], seed: str, architecture: Architecture) -> dict[str, Any]:
    """Adds an image to the blobs of an archive, and returns the descriptor of its manifest."""

    def add(data: bytes) -> dict[str, Any]:
        return _add_blob(blobs, data)

    packed = [_pack("shared", noise(300_000, "shared")), _pack("course", noise(700_000, seed))]
    layers = [{"mediaType": LAYER, **add(data)} for data in packed]
    config = {
        "architecture": architecture.name,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
        "history": [],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, **add(json.dumps(config).encode())},
        "layers": layers,
    }
    return {"mediaType": MANIFEST, **add(json.dumps(manifest).encode())}


def _add_blob(blobs: dict[str, bytes], data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    blobs[digest] = data
    return {"digest": f"sha256:{digest}", "size": len(data)}


def make_release(
    folder: Path,
    number: int = 1,
    *,
    key: Path | None = None,
    seed: str = "",
    architectures: Sequence[Architecture] = (AMD64,),
    semester: str = "2027-spring",
) -> Record:
    """Writes a whole release of a semester into `folder`; another seed gives other products."""
    seed = seed or str(number)
    (folder / "sbom").mkdir(parents=True)
    (folder / "report/screenshots").mkdir(parents=True)
    archive = folder / f"ee559-{semester}-cpu.oci.tar"
    digests = make_archive(archive, seed, architectures)
    products: dict[str, Product] = {}
    for one in architectures:
        ova = folder / f"ee559-{semester}{f'-{one.name}' if len(architectures) > 1 else ''}.ova"
        ova.write_bytes(noise(OVA_BYTES, f"ova{seed}{one.suffix}"))
        products[f"appliance{one.suffix}"] = _product(ova)
        products[f"cpu{one.suffix}"] = _product(archive, digests[one.name], digests.get("index", ""))
    record = Record(
        semester=semester, number=number, revision="5" * 40, created="2026-11-29T10:00:00Z", products=products
    )
    (folder / FILE).write_text(write_record(record))
    (folder / "NOTES.md").write_text(f"# {record.name}\n")
    for name in products:
        (folder / f"sbom/{name}.cdx.json").write_text(json.dumps({"bomFormat": "CycloneDX", "seed": seed}))
    (folder / "report/screenshots/desktop.png").write_bytes(noise(2000, f"picture{seed}"))
    provenance.write_provenance(folder, record, key, materials={"python-cpu.lock": "a" * 64})
    sums.write_sums(folder)
    if key:
        signing.sign(folder, key)
    return record


def make_content_release(
    folder: Path, number: int, key: Path, *, seed: str = "", semester: str = "2027-spring"
) -> Path:
    """Writes a content release, with noise as its archive, into the new `folder`; returns it."""
    folder.mkdir(parents=True)
    archive = folder / f"ee559-{semester}-content-{number}.tar.gz"
    archive.write_bytes(noise(50_000, seed or str(number)))
    statement = content_release.Statement(
        course="EE-559",
        semester=semester,
        release=number,
        file=archive.name,
        bytes=50_000,
        sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
        created="2027-03-01T10:00:00Z",
    )
    signers = allow(key, folder.with_name(f"{folder.name}.signers"), "practicum-content")
    (folder / content_release.FILE).write_text(content_release.sign(statement, key, signers))
    return folder


def flip(path: Path, offset: int) -> None:
    """Changes one byte of a file."""
    with path.open("r+b") as stream:
        stream.seek(offset)
        (byte,) = stream.read(1)
        stream.seek(offset)
        stream.write(bytes([byte ^ 0xFF]))


def snapshot(folder: Path) -> dict[str, Any]:
    """What a run that changes nothing must leave: each path with its kind, inode, time and content."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else ""  # noqa: PTH115
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_ino, status.st_mtime_ns, content)
    return found


def _product(path: Path, digest: str = "", index: str = "") -> Product:
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    return Product(file=path.name, bytes=len(data), sha256=sha256, digest=digest, index=index)


def _pack(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        _add(tar, name, data)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
