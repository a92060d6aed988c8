"""practicum.images.oci: two saved images with the same files give the same archive, which skopeo reads."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from registries import registry
from survivors import HANG

from practicum.architecture import AMD64, ARCHITECTURES, ARM64, Architecture
from practicum.engine import tools
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.images.oci import INDEX_TYPE, pack_image, write_oci_archive
from practicum.release import contents, oci
from practicum.release.builds import open_build
from practicum.release.layers import compare_images
from practicum.release.registry import RegistryTarget
from practicum.release.registry_client import Registry

EPOCH = 1_767_225_600
STAGES = ("base", "course-cpu")


@dataclass(frozen=True)
class Day:
    """What differs between two builds of the same files."""

    time: int
    container: str
    docker: str
    owner: str = ""


MONDAY = Day(EPOCH + 1_000_000, "aa", "20.10")
TUESDAY = Day(EPOCH + 1_086_400, "bb", "28.2", owner="root")


def make_layer(entries: dict[str, bytes | None], day: Day) -> bytes:
    """A layer as docker writes it: `None` is a folder; a removal is an empty file called .wh.NAME."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as layer:
        for name, data in entries.items():
            member = tarfile.TarInfo(name)
            member.mtime, member.uname = day.time + 0.5, day.owner
            member.pax_headers = {"SCHILY.xattr.user.kept": "yes"} if data else {}
            member.type, member.size = (tarfile.DIRTYPE, 0) if data is None else (tarfile.REGTYPE, len(data))
            member.mode = 0o755
            layer.addfile(member, io.BytesIO(data or b""))
        old = tarfile.TarInfo("usr/from-a-package")
        old.mtime = EPOCH - 5_000
        layer.addfile(old)
    return buffer.getvalue()


def save(path: Path, day: Day, program: bytes = b"program", architecture: Architecture = AMD64) -> Path:
    """What `docker save` writes, in the form that this project's oldest docker has."""
    files: dict[str, bytes | None] = {"usr": None, "usr/bin": None, "usr/bin/p": program}
    layers = [make_layer(files, day), make_layer({"usr/.wh.gone": b""}, day)]
    config = {
        "architecture": architecture.name, "variant": architecture.variant, "os": "linux",
        "created": f"2026-11-{day.time % 28 + 1}T00:00:00Z",
        "container": day.container, "docker_version": day.docker, "container_config": {"Hostname": day.container},
        "config": {"Cmd": ["sh"], "Env": ["A=b"], "Image": f"sha256:{day.container}", "Volumes": None},
        "history": [{"created": str(day.time), "created_by": "flock"}],
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]},
    }  # fmt: skip
    names = [f"{day.container}{number}/layer.tar" for number in range(len(layers))]
    documents = {
        "config.json": json.dumps(config).encode(),
        "manifest.json": json.dumps([{"Config": "config.json", "RepoTags": ["a:b"], "Layers": names}]).encode(),
    }
    with tarfile.open(path, "w") as image:
        for name, data in [*zip(names, layers, strict=True), *documents.items()]:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            image.addfile(member, io.BytesIO(data))
    return path


def pack(saved: Path, out: Path, stages: tuple[str, ...] = STAGES) -> str:
    work = out.with_suffix(".work")
    work.mkdir()
    with out.open("wb") as file:
        image = pack_image(saved, name="a:b", stages=stages, epoch=EPOCH, work=work, console=Console(plain=True))
        return write_oci_archive([image], file, name="a:b", epoch=EPOCH, work=work)


def skopeo(*arguments: str) -> dict[str, object]:
    if not tools.find("skopeo"):
        pytest.skip("skopeo is not on this machine")
    done = subprocess.run(["skopeo", *arguments], capture_output=True, text=True, check=True, timeout=HANG)
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_same_files_give_the_same_archive_on_another_day(tmp_path: Path) -> None:
    first, second = (
        pack(save(tmp_path / f"{day.container}.tar", day), tmp_path / f"{day.container}.oci")
        for day in (MONDAY, TUESDAY)
    )
    assert first == second
    assert (tmp_path / "aa.oci").read_bytes() == (tmp_path / "bb.oci").read_bytes()


def test_another_file_changes_its_own_layer_only(tmp_path: Path) -> None:
    pack(save(tmp_path / "1.tar", MONDAY), tmp_path / "1.oci")
    pack(save(tmp_path / "2.tar", TUESDAY, program=b"another"), tmp_path / "2.oci")
    first, second = (skopeo("inspect", "--raw", f"oci-archive:{tmp_path / name}") for name in ("1.oci", "2.oci"))
    same = [one == other for one, other in zip(first["layers"], second["layers"], strict=True)]  # type: ignore[call-overload]
    assert same == [False, True]


def test_archive_keeps_how_the_image_starts_and_names_the_stages(tmp_path: Path) -> None:
    digest = pack(save(tmp_path / "1.tar", MONDAY), tmp_path / "1.oci")
    told = skopeo("inspect", f"oci-archive:{tmp_path / '1.oci'}")
    assert told["Digest"] == digest and told["Created"] == "2026-01-01T00:00:00Z"
    config = skopeo("inspect", "--config", "--raw", f"oci-archive:{tmp_path / '1.oci'}")
    assert config["config"] == {"Cmd": ["sh"], "Env": ["A=b"]}
    assert [entry["created_by"] for entry in config["history"]] == ["practicum base", "practicum course-cpu"]  # type: ignore[attr-defined]
    assert not {"container", "docker_version", "container_config"} & config.keys()


def test_layers_keep_attributes_and_the_times_of_packages(tmp_path: Path) -> None:
    pack(save(tmp_path / "1.tar", MONDAY), tmp_path / "1.oci")
    if not tools.find("skopeo"):
        pytest.skip("skopeo is not on this machine")
    source, target = f"oci-archive:{tmp_path / '1.oci'}", f"dir:{tmp_path}/d"
    subprocess.run(["skopeo", "copy", "--quiet", "--dest-decompress", source, target], check=True, timeout=HANG)
    manifest = json.loads((tmp_path / "d/manifest.json").read_text())
    with tarfile.open(tmp_path / "d" / manifest["layers"][0]["digest"].removeprefix("sha256:")) as layer:
        told = {member.name: member for member in layer}
    assert told["usr/from-a-package"].mtime == EPOCH - 5_000 and told["usr/bin/p"].mtime == EPOCH
    assert told["usr/bin/p"].pax_headers == {"SCHILY.xattr.user.kept": "yes"}


def test_image_with_another_number_of_layers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PracticumError, match=r"a:b: it has 2 layers, and 1 stages make one; .*--again base"):
        pack(save(tmp_path / "1.tar", MONDAY), tmp_path / "1.oci", stages=("base",))
    assert os.path.getsize(tmp_path / "1.oci") == 0  # noqa: PTH202


# ---- images for several processors ---------------------------------------------------------------------------------


def pack_both(folder: Path, day: Day, changed: Architecture | None = None) -> tuple[str, Path]:
    """An archive with an image for each architecture, which have a layer in common; `changed` has another program."""
    images, out = [], folder / "both.oci.tar"
    for architecture in ARCHITECTURES:
        work = folder / architecture.name
        work.mkdir(parents=True)
        program = b"changed" if architecture == changed else architecture.name.encode()
        saved = save(work / "saved.tar", day, program=program, architecture=architecture)
        images.append(pack_image(saved, name="a:b", stages=STAGES, epoch=EPOCH, work=work, console=Console(plain=True)))
    with out.open("wb") as file:
        return write_oci_archive(images, file, name="a:b", epoch=EPOCH, work=folder), out


def test_archive_of_two_has_an_index_by_which_each_finds_its_own(tmp_path: Path) -> None:
    digest, out = pack_both(tmp_path, MONDAY)
    with tarfile.open(out) as archive:
        names = archive.getnames()
    assert len(names) == len(set(names)) == 2 + 1 + 2 * 2 + 3, "layout, index, configurations and manifests, layers"
    told = skopeo("inspect", "--raw", f"oci-archive:{out}")
    assert told["mediaType"] == INDEX_TYPE
    platforms = [manifest["platform"] for manifest in told["manifests"]]  # type: ignore[attr-defined]
    assert platforms == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux", "variant": "v8"},
    ]
    for architecture in ARCHITECTURES:
        one = skopeo("--override-arch", architecture.name, "inspect", "--config", "--raw", f"oci-archive:{out}")
        assert (one["architecture"], one.get("variant", "")) == (architecture.name, architecture.variant)
    with tarfile.open(out) as archive:
        index = archive.extractfile("index.json")
        assert index and json.load(index)["manifests"][0]["digest"] == digest


def test_archive_of_two_is_the_same_on_another_day(tmp_path: Path) -> None:
    (first, one), (second, other) = pack_both(tmp_path / "1", MONDAY), pack_both(tmp_path / "2", TUESDAY)
    assert first == second and one.read_bytes() == other.read_bytes()


@pytest.mark.skipif(tools.find("docker-registry") is None, reason="docker-registry is not on this machine")
def test_registry_gives_each_its_own(tmp_path: Path) -> None:
    """By skopeo, to a real registry on the loopback, and back for each platform."""
    _, out = pack_both(tmp_path / "made", MONDAY)
    with registry(tmp_path / "registry") as address:
        target = f"docker://{address}/course:tag"
        options = ["--quiet", "--all", "--dest-tls-verify=false"]
        subprocess.run(["skopeo", "copy", *options, f"oci-archive:{out}", target], check=True, timeout=HANG)
        assert_each_finds_its_own(target)


@pytest.mark.skipif(tools.find("docker-registry") is None, reason="docker-registry is not on this machine")
def test_release_sends_the_images_that_the_index_lists(tmp_path: Path) -> None:
    digest, out = pack_both(tmp_path / "made", MONDAY)
    manifest = oci.read_archive(out)
    found = [contents.read_archive(out, architecture) for architecture in ARCHITECTURES]
    assert manifest.digest == digest and {image.index for image in found} == {digest}
    assert [image.digest for image in found] == [one.digest for one in manifest.listed]
    assert len({*found[0].layers} & {*found[1].layers}) == 1 and len(found[0].layers) == 2
    with registry(tmp_path / "registry") as address:
        target = RegistryTarget(Registry(address, "course/practicum"), f"{address}/course/practicum")
        item = target._add("2027-spring-r1-cpu", manifest)
        assert target.find(item) is None
        target.put(item, lambda count: None)
        assert target.find(item) == item.digest
        assert_each_finds_its_own(f"docker://{address}/course/practicum:{item.name}")


def assert_each_finds_its_own(target: str) -> None:
    for architecture in ARCHITECTURES:
        one = skopeo(
            *("--override-arch", architecture.name, "inspect", "--tls-verify=false", "--config", "--raw", target)
        )
        assert one["architecture"] == architecture.name


@pytest.mark.skipif(tools.find("docker-registry") is None, reason="docker-registry is not on this machine")
def test_docker_pulls_each_from_the_registry(tmp_path: Path) -> None:
    """Unpacked on the way, as docs/cluster.md says: docker's engine 20.10 knows no zstd."""
    if not tools.find("docker") or subprocess.run(["docker", "version"], capture_output=True).returncode:
        pytest.skip("no docker daemon answers")
    _, out = pack_both(tmp_path / "made", MONDAY)
    unpacked, pulled = f"dir:{tmp_path}/unpacked", {}
    with registry(tmp_path / "registry") as address:
        name = f"{address}/course:tag"
        for options, source, target in (
            (["--dest-decompress"], f"oci-archive:{out}", unpacked),
            (["--dest-tls-verify=false"], unpacked, f"docker://{name}"),
        ):
            subprocess.run(["skopeo", "copy", "--quiet", "--all", *options, source, target], check=True, timeout=HANG)
        try:
            for architecture in ARCHITECTURES:
                pull = ["docker", "pull", "--quiet", f"--platform={architecture.platform}", name]
                subprocess.run(pull, check=True, timeout=HANG, capture_output=True)
                asked = ["docker", "inspect", "--format", "{{.Architecture}} {{.Variant}}", name]
                told = subprocess.run(asked, check=True, timeout=HANG, capture_output=True, text=True).stdout
                pulled[architecture] = told.split()
        finally:
            subprocess.run(["docker", "image", "rm", name], timeout=HANG, capture_output=True)
    assert pulled == {AMD64: ["amd64"], ARM64: ["arm64", "v8"]}


def test_two_builds_of_two_images_are_compared_image_by_image(tmp_path: Path) -> None:
    if not tools.find("zstd"):
        pytest.skip("zstd is not on this machine")
    (_, one), (_, same) = pack_both(tmp_path / "1", MONDAY), pack_both(tmp_path / "2", TUESDAY)
    console = Console(plain=True)
    assert compare_images(open_build(one), open_build(same), console) == []
    _, other = pack_both(tmp_path / "3", MONDAY, changed=ARM64)
    found = compare_images(open_build(one), open_build(other), console)
    assert [(difference.stage, difference.where) for difference in found] == [("base", "/usr/bin/p")]
