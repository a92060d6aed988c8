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

from practicum.engine import tools
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.images.oci import write_oci_archive

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


def save(path: Path, day: Day, program: bytes = b"program") -> Path:
    """What `docker save` writes, in the form that this project's oldest docker has."""
    files: dict[str, bytes | None] = {"usr": None, "usr/bin": None, "usr/bin/p": program}
    layers = [make_layer(files, day), make_layer({"usr/.wh.gone": b""}, day)]
    config = {
        "architecture": "amd64", "os": "linux", "created": f"2026-11-{day.time % 28 + 1}T00:00:00Z",
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
        return write_oci_archive(
            saved, file, name="a:b", stages=stages, epoch=EPOCH, work=work, console=Console(plain=True)
        )


def skopeo(*arguments: str) -> dict[str, object]:
    if not tools.find("skopeo"):
        pytest.skip("skopeo is not on this machine")
    done = subprocess.run(["skopeo", *arguments], capture_output=True, text=True, check=True, timeout=60)
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
    subprocess.run(["skopeo", "copy", "--quiet", "--dest-decompress", source, target], check=True, timeout=60)
    manifest = json.loads((tmp_path / "d/manifest.json").read_text())
    with tarfile.open(tmp_path / "d" / manifest["layers"][0]["digest"].removeprefix("sha256:")) as layer:
        told = {member.name: member for member in layer}
    assert told["usr/from-a-package"].mtime == EPOCH - 5_000 and told["usr/bin/p"].mtime == EPOCH
    assert told["usr/bin/p"].pax_headers == {"SCHILY.xattr.user.kept": "yes"}


def test_image_with_another_number_of_layers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PracticumError, match=r"a:b: it has 2 layers, and 1 stages make one; .*--again base"):
        pack(save(tmp_path / "1.tar", MONDAY), tmp_path / "1.oci", stages=("base",))
    assert os.path.getsize(tmp_path / "1.oci") == 0  # noqa: PTH202
