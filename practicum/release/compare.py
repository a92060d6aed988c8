"""Name, for two builds of one product, the stages that made something else and the first files that differ.

diffoscope unpacks whatever it meets and shows each difference to the end; this reads layers as streams, reads
stream-optimised disks, and sorts what it finds by the stage of the build that made it.
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

from practicum.engine import cache, run
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.ova.vmdk_reader import Source, VmdkError
from practicum.release import disks
from practicum.release.entries import (
    Difference,
    Entry,
    Listing,
    compare_listings,
    compare_values,
    describe_member,
    list_tar,
)

FIRST = 10
"""Differences of a stage that are printed."""

CHUNK = 1 << 20

# zstd also unpacks gzip, and --force passes on what is not packed at all.
_UNPACK = 'tail --bytes="+$2" "$1" | head --bytes="$3" | zstd --decompress --force --stdout --quiet'


@dataclass(frozen=True)
class Build:
    """One build of a product, an `.ova` or an OCI archive: its path and its members, by name."""

    path: Path
    members: Mapping[str, tarfile.TarInfo]

    @property
    def kind(self) -> str:
        if "index.json" in self.members:
            return "an OCI archive"
        return "an .ova" if any(name.endswith(".ovf") for name in self.members) else ""

    def list_headers(self) -> dict[str, Entry]:
        """Return what the members' headers say; their contents do not count."""
        return {name: describe_member(member) for name, member in self.members.items()}

    def read(self, name: str) -> bytes:
        """Return a small member; raises PracticumError when there is none."""
        if name not in self.members:
            raise PracticumError(str(self.path), f"holds no {name}", "build it again")
        member = self.members[name]
        with self.path.open("rb") as file:
            return os.pread(file.fileno(), member.size, member.offset_data)


def compare(a: Path, b: Path, console: Console) -> list[Difference]:
    """Return what two builds of one product differ in; [] when they are the same bytes.

    Raises PracticumError when they are not two appliances or two archives, or are damaged.
    """
    one, other = open_build(a), open_build(b)
    if one.kind != other.kind:
        raise PracticumError(str(b), f"is {other.kind}, {a} is {one.kind}", "give two builds of one product")
    offset = find_difference(a, b, console)
    if offset is None:
        return []
    compare_kind = compare_appliances if one.kind == "an .ova" else compare_images
    found = compare_kind(one, other, console)
    return found or [Difference("file", a.name, f"differs from byte {offset} on, all that it holds is equal")]


def render(differences: Sequence[Difference]) -> str:
    """Return the differences by stage, at most FIRST of each, a line for each."""
    lines = []
    for stage in dict.fromkeys(difference.stage for difference in differences):
        found = [difference for difference in differences if difference.stage == stage]
        lines += [stage, *(f"  {difference.where}: {difference.what}" for difference in found[:FIRST])]
        if len(found) > FIRST:
            lines.append(f"  and {len(found) - FIRST} more")
    return "\n".join(lines).encode(errors="backslashreplace").decode()  # names of files may be no text


def open_build(path: Path) -> Build:
    """Read which members a build has; raises PracticumError when it is of neither kind."""
    cure = "give two .ova files or two .oci.tar files"
    if not path.is_file():
        raise PracticumError(str(path), "no such file", cure)
    try:
        with tarfile.open(path, "r:") as archive:
            found = Build(path, {member.name: member for member in archive})
    except tarfile.TarError as error:
        raise PracticumError(str(path), f"is no tar file ({error})", cure) from error
    if not found.kind:
        raise PracticumError(str(path), "holds neither an .ovf nor an index.json", cure)
    return found


def find_difference(a: Path, b: Path, console: Console) -> int | None:
    """Return the first byte in which two files differ, None when they are equal."""
    offset = 0
    with a.open("rb") as one, b.open("rb") as other, console.transfer("comparing bytes", a.stat().st_size) as report:
        while True:
            ours, theirs = one.read(CHUNK), other.read(CHUNK)
            if ours != theirs:
                return offset + next(
                    (index for index, (x, y) in enumerate(zip(ours, theirs, strict=False)) if x != y),
                    min(len(ours), len(theirs)),
                )
            if not ours:
                return None
            offset += len(ours)
            report(len(ours))


# ---- appliances ----------------------------------------------------------------------------------------------------


def compare_appliances(a: Build, b: Build, console: Console) -> list[Difference]:
    """Return the differences of two `.ova` files: first their members, then the disk."""
    found = compare_listings("ova", a.list_headers(), b.list_headers())
    for name in (name for name in a.members if name in b.members and not name.endswith(".vmdk")):
        found += compare_text(name, a.read(name), b.read(name))
    names = [next((name for name in side.members if name.endswith(".vmdk")), "") for side in (a, b)]
    if not all(names):
        return found
    with a.path.open("rb") as one, b.path.open("rb") as other, cache.work_folder("compare") as work:
        sources = [
            Source(file.fileno(), side.members[name].offset_data, side.members[name].size)
            for file, side, name in ((one, a, names[0]), (other, b, names[1]))
        ]
        console.say("comparing the disks")
        try:
            return found + disks.compare_disks(disks.Disk(sources[0]), disks.Disk(sources[1]), work, console)
        except VmdkError as error:
            raise PracticumError(f"{a.path}, {b.path}", f"a disk is damaged ({error})", "build it again") from error


def compare_text(name: str, a: bytes, b: bytes) -> list[Difference]:
    """Return the first line in which two texts differ."""
    pairs = zip_longest(a.decode(errors="replace").splitlines(), b.decode(errors="replace").splitlines(), fillvalue="")
    for number, (one, other) in enumerate(pairs, 1):
        if one != other:
            return [Difference("ova", name, f"line {number}: {one.strip()}, {other.strip()}")]
    return []


# ---- images --------------------------------------------------------------------------------------------------------


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
    """The only image of an OCI archive: manifest and configuration as JSON values, layers from the lowest up."""

    manifest: Any
    config: Any
    layers: list[Layer]


def compare_images(a: Build, b: Build, console: Console) -> list[Difference]:
    """Return the differences of two OCI archives: manifest, configuration, then layers, the lowest first."""
    images = read_image(a), read_image(b)
    found = compare_values("manifest", *(describe_manifest(image.manifest) for image in images))
    found += compare_values("config", *(describe_config(image.config) for image in images))
    for one, other in zip_longest(*(image.layers for image in images)):
        if one is None or other is None:
            layer = one or other
            found.append(Difference(layer.stage, layer.where, "only in A" if one else "only in B"))
        elif one.digest != other.digest:
            console.say(f"comparing {one.where}, {one.stage}")
            found += compare_layers(a, one, b, other)
    return found or compare_listings("archive", a.list_headers(), b.list_headers())


def read_image(build: Build) -> Image:
    """Return the image of an archive, its names added to its manifest; raises PracticumError when it is damaged."""
    try:
        descriptor = json.loads(build.read("index.json"))["manifests"][0]
        manifest = read_blob(build, descriptor)
        config = read_blob(build, manifest["config"])
        named = {**manifest, "index": descriptor.get("annotations", {})}
        return Image(named, config, list_layers(manifest["layers"], config))
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
