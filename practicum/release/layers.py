"""What two images in OCI archives differ in: manifest, configuration, and the files of each layer.

A layer is read as a stream, so it is never unpacked to the disk.
"""

import json
import os
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from practicum.engine import run
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.release.builds import Build
from practicum.release.entries import Difference, Listing, compare_listings, compare_values, list_tar

CHUNK = 1 << 20

# zstd also unpacks gzip, and --force passes on what is not packed at all.
_UNPACK = 'tail --bytes="+$2" "$1" | head --bytes="$3" | zstd --decompress --force --stdout --quiet'


@dataclass(frozen=True)
class Layer:
    """A layer of an image; number: 1 for the lowest. digest: of the packed layer. content: digest of its tar."""

    number: int
    stage: str
    digest: str
    content: str

    @property
    def where(self) -> str:
        return f"layer {self.number}"


@dataclass(frozen=True)
class Image:
    """An image of an OCI archive: manifest and configuration as JSON values, layers from the lowest up."""

    manifest: Any
    config: Any
    layers: list[Layer]


def compare_images(a: Build, b: Build, console: Console) -> list[Difference]:
    """Return the differences of two OCI archives: manifest, configuration, then layers, the lowest first.

    Archives of images for several platforms are compared image by image.
    """
    images = read_images(a), read_images(b)
    if len(images[0]) != len(images[1]):
        return [Difference("index", "manifests", f"{len(images[0])} images, {len(images[1])}")]
    found = [difference for pair in zip(*images, strict=True) for difference in compare_pair(a, b, *pair, console)]
    return found or compare_listings("archive", a.list_headers(), b.list_headers())


def compare_pair(a: Build, b: Build, mine: Image, theirs: Image, console: Console) -> list[Difference]:
    """Return the differences of two images, of archive `a` and of archive `b`."""
    images = mine, theirs
    found = compare_values("manifest", *(describe_manifest(image.manifest) for image in images))
    found += compare_values("config", *(describe_config(image.config) for image in images))
    for one, other in zip_longest(*(image.layers for image in images)):
        if one is None or other is None:
            layer = one or other
            found.append(Difference(layer.stage, layer.where, "only in A" if one else "only in B"))
        elif one.digest != other.digest:
            console.say(f"comparing {one.where}, {one.stage}")
            found += compare_layers(a, one, b, other)
    return found


def read_images(build: Build) -> list[Image]:
    """Return the images of an archive, its names added to each manifest; raises PracticumError when it is damaged."""
    try:
        descriptor = json.loads(build.read("index.json"))["manifests"][0]
        document, images = read_blob(build, descriptor), []
        listed = [read_blob(build, other) for other in document.get("manifests", ())]
        for manifest in listed or [document]:
            config = read_blob(build, manifest["config"])
            named = {**manifest, "index": descriptor.get("annotations", {})}
            images.append(Image(named, config, list_layers(manifest["layers"], config)))
        return images
    except (ValueError, LookupError, TypeError) as error:
        raise PracticumError(str(build.path), f"holds no image ({error!r})", "build it again") from error


def read_blob(build: Build, descriptor: Mapping[str, Any]) -> Any:
    """Return the JSON that a descriptor names (OCI image specification, Content Descriptors)."""
    return json.loads(build.read(blob_name(descriptor["digest"])))


def blob_name(digest: str) -> str:
    """Return the name of the member that holds what has this digest."""
    return f"blobs/{digest.replace(':', '/')}"


def flatten(value: Any, key: str = "") -> dict[str, str]:
    """Return each leaf of a JSON value by its path, such as "config.Env[0]", as JSON."""
    if isinstance(value, dict) and value:
        inner = [flatten(item, f"{key}.{name}" if key else name) for name, item in value.items()]
    elif isinstance(value, list) and value:
        inner = [flatten(item, f"{key}[{number}]") for number, item in enumerate(value)]
    else:
        return {key: json.dumps(value)}
    return {path: leaf for part in inner for path, leaf in part.items()}


def describe_manifest(manifest: Any) -> dict[str, str]:
    """Return the manifest's leaves but for what follows from the configuration and the layers."""
    return flatten({key: value for key, value in manifest.items() if key not in ("config", "layers")})


def describe_config(config: Any) -> dict[str, str]:
    """Return the configuration's leaves but for the digests of the layers."""
    return flatten({key: value for key, value in config.items() if key != "rootfs"})


def list_layers(packed: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> list[Layer]:
    """Return the layers that a manifest names.

    The stage of a layer is what its history says ("practicum STAGE"), else its number.
    """
    authors = [str(entry.get("created_by")) for entry in config.get("history", []) if not entry.get("empty_layer")]
    named = [re.match(r"practicum ([\w.-]+)", author) for author in authors]
    stages = [match[1] if match else "" for match in named] + [""] * len(packed)
    contents = config["rootfs"]["diff_ids"]
    return [
        Layer(number, stage or f"layer {number}", layer["digest"], content)
        for number, (layer, stage, content) in enumerate(zip(packed, stages, contents, strict=False), 1)
    ]


def compare_layers(a: Build, one: Layer, b: Build, other: Layer) -> list[Difference]:
    """Return the differences of two layers of one number whose bytes differ."""
    if one.content == other.content:
        return [Difference(one.stage, one.where, "the same tar, packed otherwise")]
    ours, theirs = list_layer(a, one), list_layer(b, other)
    found = compare_listings(one.stage, ours, theirs)
    if found:
        return found
    moved = next((path for path, there in zip(ours, theirs, strict=True) if path != there), "")
    order = f"the same entries in another order, from {moved} on"
    return [Difference(one.stage, one.where, order if moved else "the same entries, written otherwise by tar")]


def list_layer(build: Build, layer: Layer) -> Listing:
    """Return the listing of a layer, read as a stream; raises PracticumError when it is damaged."""
    name = blob_name(layer.digest)
    if name not in build.members:
        raise PracticumError(str(build.path), f"holds no {name}", "build it again")
    member = build.members[name]
    argv = unpack_argv(build.path, member.offset_data, member.size)
    try:
        with (
            run.stream(argv, step=f"unpacking {layer.where}") as tar,
            tarfile.open(fileobj=tar, mode="r|", bufsize=CHUNK) as members,
        ):
            return list_tar(members)
    except tarfile.TarError as error:
        raise PracticumError(str(build.path), f"{layer.where} is damaged ({error})", "build it again") from error


def unpack_argv(archive: Path, offset: int, size: int) -> list[str]:
    """Return the command that unpacks to its standard output `size` bytes from byte `offset` of a file."""
    return ["bash", "-c", _UNPACK, "unpack", os.fspath(archive), str(offset + 1), str(size)]
