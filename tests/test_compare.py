"""practicum.release.compare: two small builds that differ in one thing, which the report names with its stage."""

import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import small_ova
from survivors import HANG, wait_until
from typer.testing import CliRunner

from practicum import cli
from practicum.architecture import AMD64
from practicum.engine import tools
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.ova import disk, ovf
from practicum.ova.disk import BIOS_START, BLOCK, MIB, PYTHON_START, Plan
from practicum.ova.squashfs import squashfs_argv
from practicum.ova.vmdk import write_stream_optimized
from practicum.release import inodes
from practicum.release.compare import compare, render
from practicum.release.entries import Difference

EPOCH = small_ova.MTIME


def find_differences(a: Path, b: Path) -> list[Difference]:
    return compare(a, b, Console(plain=True, stream=io.StringIO()))


def list_missing(*programs: str) -> list[str]:
    return [program for program in programs if not tools.find(program)]


def invoke(*arguments: Path) -> tuple[int, str]:
    """The exit code of `practicum compare` and what it prints."""
    result = CliRunner().invoke(cli.app, ["compare", *map(str, arguments)])
    return result.exit_code, result.stdout


# ---- archives ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class File:
    """A member of a layer."""

    data: bytes = b""
    mode: int = 0o644
    mtime: float = EPOCH
    owner: int = 0
    target: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


Tree = Mapping[str, File]

BASE: Tree = {"etc": File(mode=0o755), "etc/passwd": File(b"root"), "etc/link": File(target="passwd")}
SYSTEM: Tree = {f"usr/{number:02}": File(b"%d" % number * 5000) for number in range(12)}
STAGES = ("practicum base", "practicum system")
MOVED = "mtime 2026-01-01T00:00:00+00:00, 2026-01-01T00:00:01+00:00"
CAPABLE = {"SCHILY.xattr.security.capability": "x"}


def pack_layer(tree: Tree) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, file in tree.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime, member.uid = len(file.data), file.mode, file.mtime, file.owner
            member.linkname, member.pax_headers = file.target, dict(file.headers)
            member.type = tarfile.SYMTYPE if file.target else tarfile.REGTYPE if file.data else tarfile.DIRTYPE
            archive.addfile(member, io.BytesIO(file.data))
    return out.getvalue()


def write_archive(
    out: Path,
    layers: Sequence[Tree] = (BASE, SYSTEM),
    *,
    authors: Sequence[str] = STAGES,
    created: str = "2027-01-01T00:00:00Z",
    level: int = 3,
) -> Path:
    """An OCI layout, which skopeo packs as `make archive` does."""
    layout = out.with_suffix(".layout")
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)

    def add(data: bytes, kind: str) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    packed = [add(pack_layer(tree), "layer.v1.tar") for tree in layers]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {"Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in packed]},
        "history": [{"created_by": "label", "empty_layer": True}, *({"created_by": author} for author in authors)],
    }
    manifest = {"schemaVersion": 2, "config": add(json.dumps(config).encode(), "config.v1+json"), "layers": packed}
    described = add(json.dumps(manifest).encode(), "manifest.v1+json")
    described["annotations"] = {"org.opencontainers.image.ref.name": "small"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    subprocess.run(
        [
            *("skopeo", "--insecure-policy", "copy", "--quiet", "--dest-compress-format=zstd"),
            *(f"--dest-compress-level={level}", f"oci:{layout}:small", f"oci-archive:{out}:small"),
        ],
        check=True,
        timeout=HANG,
    )
    shutil.rmtree(layout)
    return out


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if missing := list_missing("skopeo", "zstd"):
        pytest.skip(f"missing here: {', '.join(missing)}")
    return write_archive(tmp_path_factory.mktemp("archive") / "a.oci.tar")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"usr/03": File(b"other")}, ("/usr/03", "content sha256 ba6f0e23d831, d9298a10d1b0")),
        ({"usr/03": replace(SYSTEM["usr/03"], mtime=EPOCH + 1)}, ("/usr/03", MOVED)),
        ({"usr/03": replace(SYSTEM["usr/03"], mode=0o755)}, ("/usr/03", "mode 0644, 0755")),
        ({"usr/03": replace(SYSTEM["usr/03"], owner=1000)}, ("/usr/03", "owner 0:0, 1000:0")),
        ({"usr/03": replace(SYSTEM["usr/03"], headers=CAPABLE)}, ("/usr/03", "xattr security.capability")),
        ({"usr/03": replace(SYSTEM["usr/03"], headers={"atime": "1.5"})}, ("/usr/03", "header atime")),
        ({"usr/new": File(b"new")}, ("/usr/new", "only in B")),
        ({"usr/03": None}, ("/usr/03", "only in A")),
    ],
    ids=["content", "mtime", "mode", "owner", "xattr", "header", "added", "missing"],
)
def test_changed_file_of_a_layer_is_named_with_its_stage(
    first: Path, tmp_path: Path, change: Mapping[str, File | None], told: tuple[str, str]
) -> None:
    changed = {name: file for name, file in {**SYSTEM, **change}.items() if file}
    second = write_archive(tmp_path / "b.oci.tar", (BASE, changed))
    assert find_differences(first, second) == [Difference("system", *told)]


def test_several_properties_of_a_link_are_one_difference(first: Path, tmp_path: Path) -> None:
    base = {**BASE, "etc/link": File(target="shadow", mtime=EPOCH + 1)}
    second = write_archive(tmp_path / "b.oci.tar", (base, SYSTEM))
    assert find_differences(first, second) == [Difference("base", "/etc/link", f"{MOVED}; link target passwd, shadow")]


def test_layers_are_told_lowest_first_and_the_rest_of_a_stage_is_counted(first: Path, tmp_path: Path) -> None:
    later = {name: replace(file, mtime=EPOCH + 1) for name, file in SYSTEM.items()}
    second = write_archive(tmp_path / "b.oci.tar", ({**BASE, "etc/passwd": File(b"user")}, later))
    code, told = invoke(first, second)
    lines = told.splitlines()
    assert code == 1
    assert lines[0] == "base" and lines[1].startswith("  /etc/passwd: content sha256 ")
    assert lines[2] == "system" and lines[3] == f"  /usr/00: {MOVED}"
    assert len(lines) == 3 + 10 + 1 and lines[-1] == "  and 2 more"


def test_layer_without_a_stage_in_its_history_is_told_by_its_number(tmp_path: Path) -> None:
    sides = (SYSTEM, {**SYSTEM, "usr/03": File(b"other")})
    a, b = (
        write_archive(tmp_path / f"{number}.oci.tar", (BASE, system), authors=("flock", "flock"))
        for number, system in enumerate(sides)
    )
    assert [(found.stage, found.where) for found in find_differences(a, b)] == [("layer 2", "/usr/03")]


def test_layer_that_only_one_image_has_is_told(first: Path, tmp_path: Path) -> None:
    second = write_archive(tmp_path / "b.oci.tar", (BASE,), authors=STAGES[:1])
    found = find_differences(first, second)
    assert Difference("system", "layer 2", "only in A") in found
    assert {difference.stage for difference in found} == {"config", "system"}


def test_changed_key_of_the_configuration_is_named(first: Path, tmp_path: Path) -> None:
    second = write_archive(tmp_path / "b.oci.tar", created="2027-01-02T00:00:00Z")
    told = '"2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z"'
    assert find_differences(first, second) == [Difference("config", "created", told)]


def test_same_layer_packed_otherwise_is_not_unpacked(first: Path, tmp_path: Path) -> None:
    second = write_archive(tmp_path / "b.oci.tar", level=19)
    assert Difference("system", "layer 2", "the same tar, packed otherwise") in find_differences(first, second)


def test_same_entries_in_another_order_are_told(first: Path, tmp_path: Path) -> None:
    second = write_archive(tmp_path / "b.oci.tar", (BASE, dict(reversed(SYSTEM.items()))))
    told = "the same entries in another order, from /usr/00 on"
    assert find_differences(first, second) == [Difference("system", "layer 2", told)]


def test_equal_images_in_unequal_archives_differ_in_the_members(first: Path, tmp_path: Path) -> None:
    second = tmp_path / "b.oci.tar"
    with tarfile.open(first) as source, tarfile.open(second, "w") as target:
        for member in source:
            if member.name == "index.json":
                member.mtime += 60
            target.addfile(member, source.extractfile(member))
    found = find_differences(first, second)
    assert [(difference.stage, difference.where) for difference in found] == [("archive", "index.json")]
    assert found[0].what.startswith("mtime ")


def test_damaged_layer_is_refused_with_a_cure(first: Path, tmp_path: Path) -> None:
    second = write_archive(
        tmp_path / "b.oci.tar", (BASE, {**SYSTEM, "usr/03": File(random.Random(559).randbytes(MIB))})
    )
    with tarfile.open(second) as archive:
        large = max(archive, key=lambda member: member.size)
    with second.open("r+b") as file:
        file.seek(large.offset_data + large.size // 2)
        file.write(bytes(1000))
    with pytest.raises(PracticumError, match=r"b\.oci\.tar: layer 2 is damaged .*; build it again$"):
        find_differences(first, second)


# ---- appliances ----------------------------------------------------------------------------------------------------

PLAN = Plan("small-2027", "Small", "small", 64 * MIB, EPOCH, AMD64.boot)
TOOLS = ("mke2fs", "mksquashfs", "sfdisk", "debugfs", "unsquashfs")
needs_tools = pytest.mark.skipif(bool(list_missing(*TOOLS)), reason=f"missing here: {list_missing(*TOOLS)}")


@dataclass(frozen=True)
class Trees:
    """What an appliance is made from: the Python environment and the rest of the system."""

    python: Path
    root: Path

    def copy(self, folder: Path) -> "Trees":
        for tree in (self.python, self.root):
            shutil.copytree(tree, folder / tree.name, symlinks=True)
        return Trees(folder / self.python.name, folder / self.root.name)


def call(argv: Sequence[str], text: str = "") -> None:
    tool = tools.find(argv[0])
    assert tool
    stamp = {"E2FSPROGS_FAKE_TIME": str(EPOCH)}
    done = subprocess.run(
        [tool, *argv[1:]], input=text, env={**os.environ, **stamp}, capture_output=True, text=True, timeout=HANG
    )
    assert not done.returncode, done.stderr


def write_appliance(out: Path, trees: Trees, change: Callable[[Path], None] = lambda _: None) -> Path:
    """An `.ova` with the partitions of a real one; `change` is given the raw disk before it is packed."""
    work = out.with_suffix(".work")
    work.mkdir()
    raw, squashfs, order, vmdk = (work / name for name in ("disk.raw", "python.squashfs", "order", "disk.vmdk"))
    raw.touch()
    os.truncate(raw, PLAN.size)
    order.touch()
    call(squashfs_argv(trees.python, squashfs, EPOCH, order))
    root_start = disk.align(PYTHON_START + squashfs.stat().st_size)
    call(disk.mke2fs_argv(trees.root, raw, root_start, 8 * MIB // BLOCK, PLAN))
    call(disk.sfdisk_argv(raw), disk.layout(PLAN, root_start))
    disk.write_at(raw, PYTHON_START, squashfs)
    change(raw)
    write_stream_optimized(raw, vmdk)
    descriptor = ovf.describe(small_ova.APPLIANCE, ovf.Disk.of(vmdk, small_ova.DISK))
    out.write_bytes(small_ova.Good(descriptor, vmdk.read_bytes()).pack())
    shutil.rmtree(work)
    return out


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Trees:
    folder = tmp_path_factory.mktemp("trees")
    for name in ("python/lib/a.py", "python/lib/b.py", "root/etc/hostname", "root/etc/shadow", "root/usr/program"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name}\n" * 10)
    (folder / "root/etc/link").symlink_to("shadow")
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
    return Trees(folder / "python", folder / "root")


@pytest.fixture(scope="module")
def appliance(trees: Trees, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_appliance(tmp_path_factory.mktemp("appliance") / "a.ova", trees)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a cache"))
    return tmp_path / "a cache/practicum"


def rewrite(path: Path) -> None:
    path.write_text("another content")
    os.utime(path, (EPOCH, EPOCH))


def touch(path: Path) -> None:
    os.utime(path, (EPOCH + 1, EPOCH + 1))


def remove(path: Path) -> None:
    path.unlink()
    os.utime(path.parent, (EPOCH, EPOCH))


@needs_tools
@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("python/lib/a.py", rewrite, ("squashfs", "/opt/venv/lib/a.py", "content sha256 ")),
        ("python/lib/a.py", touch, ("squashfs", "/opt/venv/lib/a.py", MOVED)),
        ("python/lib/a.py", lambda path: path.chmod(0o700), ("squashfs", "/opt/venv/lib/a.py", "mode 0644, 0700")),
        ("python/lib/a.py", remove, ("squashfs", "/opt/venv/lib/a.py", "only in A")),
        ("root/etc/shadow", rewrite, ("disk", "/etc/shadow", "content sha256 ")),
        ("root/etc/shadow", touch, ("disk", "/etc/shadow", MOVED)),
        ("root/etc/shadow", lambda path: path.chmod(0o600), ("disk", "/etc/shadow", "mode 0644, 0600")),
        ("root/etc/shadow", remove, ("disk", "/etc/shadow", "only in A")),
    ],
)
def test_changed_file_of_the_disk_is_named_with_its_stage(
    appliance: Path, trees: Trees, tmp_path: Path, name: str, change: Callable[[Path], None], told: tuple[str, str, str]
) -> None:
    changed = trees.copy(tmp_path)
    change(tmp_path / name)
    found = find_differences(appliance, write_appliance(tmp_path / "b.ova", changed))
    (difference,) = (one for one in found if one.where.startswith("/") and "inode" not in one.what)
    assert (difference.stage, difference.where) == told[:2] and difference.what.startswith(told[2])


@needs_tools
def test_inode_time_is_named_when_all_files_are_equal(appliance: Path, trees: Trees, tmp_path: Path) -> None:
    """Another change time of the source files gives another ext4, though no file in it differs."""
    changed = int((trees.root / "etc/shadow").stat().st_ctime)
    wait_until(lambda: time.time() >= changed + 1)  # the image's times have whole seconds
    again = write_appliance(tmp_path / "b.ova", trees.copy(tmp_path))
    found = find_differences(appliance, again)
    told = {difference.where: difference.what for difference in found if difference.stage == "disk"}
    assert "/etc/shadow" in told
    assert "ctime" in told["/etc/shadow"] and told["/etc/shadow"].endswith("all files are equal")
    assert not [difference for difference in found if difference.stage == "squashfs"]


@needs_tools
def test_boot_loader_is_told_by_its_partition(appliance: Path, trees: Trees, tmp_path: Path) -> None:
    def write_loader(raw: Path) -> None:
        with raw.open("r+b") as file:
            file.seek(BIOS_START + 1000)
            file.write(b"core")

    found = find_differences(
        write_appliance(tmp_path / "a.ova", trees), write_appliance(tmp_path / "b.ova", trees, write_loader)
    )
    assert Difference("disk", "bios", "differs near its byte 768") in found


def test_disk_without_partitions_and_the_descriptor_are_compared(tmp_path: Path) -> None:
    good = small_ova.build_good(tmp_path)
    raw = small_ova.write_raw(tmp_path / "disk.raw")
    with raw.open("r+b") as file:
        file.seek(20 * MIB)
        file.write(b"more")
    write_stream_optimized(raw, tmp_path / "other.vmdk", level=1)
    other = (tmp_path / "other.vmdk").read_bytes()
    a, b = tmp_path / "a.ova", tmp_path / "b.ova"
    a.write_bytes(good.pack())
    b.write_bytes(good.pack(descriptor=good.descriptor.replace(b"4096", b"8192"), disk=other))
    found = find_differences(a, b)
    assert [(one.stage, one.where) for one in found] == [
        ("ova", f"{small_ova.NAME}.ovf"),
        ("ova", f"{small_ova.NAME}.mf"),
        ("disk", "whole disk"),
    ]
    assert "4096" in found[0].what and "8192" in found[0].what and found[0].what.startswith("line ")
    assert found[-1].what == f"differs near its byte {20 * MIB}"


# ---- both kinds ----------------------------------------------------------------------------------------------------


def test_damaged_disk_is_refused_with_a_cure(tmp_path: Path) -> None:
    good, a, b = small_ova.build_good(tmp_path), tmp_path / "a.ova", tmp_path / "b.ova"
    a.write_bytes(good.pack())
    b.write_bytes(good.pack(descriptor=good.descriptor, disk=b"no disk".ljust(4096, b"\0")))
    with pytest.raises(PracticumError, match=r"a disk is damaged \(it is no VMDK .*\); build it again$"):
        find_differences(a, b)


def test_equal_files_give_one_line_and_exit_code_0(first: Path, tmp_path: Path) -> None:
    good, ova = small_ova.build_good(tmp_path), tmp_path / "a.ova"
    ova.write_bytes(good.pack())
    for path in (first, ova):
        second = tmp_path / f"second-{path.name}"
        shutil.copy(path, second)
        assert invoke(path, second) == (0, f"{path} and {second} are equal\n")


def test_differing_files_give_the_list_and_exit_code_1(first: Path, tmp_path: Path) -> None:
    second = write_archive(tmp_path / "b.oci.tar", ({**BASE, "etc/passwd": File(b"root", mode=0o600)}, SYSTEM))
    assert invoke(first, second) == (1, "base\n  /etc/passwd: mode 0644, 0600\n")


def test_bad_input_gives_exit_code_2_and_a_cure(
    first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ova, text, tar = tmp_path / "a.ova", tmp_path / "text.ova", tmp_path / "tar.ova"
    ova.write_bytes(small_ova.build_good(tmp_path).pack())
    text.write_text("no archive " * 1000)
    tar.write_bytes(small_ova.tar([("disk.vmdk", b"disk")]))
    cure = "; give two .ova files or two .oci.tar files\n"
    for a, b, told in (
        (tmp_path / "absent.ova", ova, f"{tmp_path}/absent.ova: no such file{cure}"),
        (ova, tmp_path, f"{tmp_path}: no such file{cure}"),
        (ova, text, f"{text}: is no tar file (invalid header){cure}"),
        (ova, tar, f"{tar}: holds neither an .ovf nor an index.json{cure}"),
        (ova, first, f"{first}: is an OCI archive, {ova} is an .ova; give two builds of one product\n"),
    ):
        assert cli.exit_code_of(lambda a=a, b=b: find_differences(a, b)) == 2  # type: ignore[misc]
        assert capsys.readouterr().err == f"practicum: {told}"


def test_nothing_is_left_in_the_cache(first: Path, appliance: Path, tmp_path: Path, cache_folder: Path) -> None:
    other = tmp_path / "b.ova"
    other.write_bytes(small_ova.build_good(tmp_path).pack())
    find_differences(appliance, other)
    assert not list((cache_folder / "work").iterdir())


def test_name_that_is_no_text_is_printed() -> None:
    assert render([Difference("base", "/\udcff", "only in A")]) == "base\n  /\\udcff: only in A"


@pytest.mark.parametrize(
    ("places", "fields"),
    [([8], ["atime"]), ([13, 124], ["ctime"]), ([125], ["checksum"]), ([9, 133], ["atime", "ctime"])],
)
def test_inode_fields_are_named(places: list[int], fields: list[str]) -> None:
    other = bytearray(inodes.INODE)
    for place in places:
        other[place] = 1
    assert inodes.name_fields(bytes(inodes.INODE), bytes(other)) == fields
