"""The VMDK writer, against its own reader and against qemu-img."""

import os
import shutil
import struct
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from small_ova import CAPACITY, write_raw

from practicum.engine.errors import PracticumError
from practicum.ova import vmdk
from practicum.ova.vmdk import describe_disk, find_data, write_stream_optimized
from practicum.ova.vmdk_format import DIRECTORY_AT_END, GRAIN, MARKER_END, SECTOR, Header
from practicum.ova.vmdk_reader import (
    GrainRecord,
    MetadataRecord,
    Source,
    VmdkError,
    inflate_grain,
    read_descriptor,
    read_directory,
    read_disk,
    read_footer,
    read_header,
    read_records,
    read_tables,
)

needs_qemu = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is missing: install qemu-utils")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_raw(tmp_path / "disk.raw")


def convert(raw: Path, name: str = "disk.vmdk", **options: object) -> Path:
    out = raw.with_name(name)
    write_stream_optimized(raw, out, **options)  # type: ignore[arg-type]
    return out


def content_of(file: Path) -> bytes:
    """The virtual disk, rebuilt from the records with the reader."""
    with file.open("rb") as stream:
        source = Source(stream.fileno(), 0, file.stat().st_size)
        header = read_header(source)
        disk = bytearray(header.capacity * SECTOR + GRAIN)
        for record in read_records(source, header):
            if isinstance(record, GrainRecord):
                disk[record.lba * SECTOR : record.lba * SECTOR + GRAIN] = inflate_grain(record)
    return bytes(disk[: header.capacity * SECTOR])


def test_the_disk_comes_back_whole(raw: Path) -> None:
    assert content_of(convert(raw)) == raw.read_bytes()


@pytest.mark.parametrize("size", [1, 512, GRAIN - 1, GRAIN, GRAIN + 512, 5 * GRAIN + 1000])
def test_a_last_grain_in_part_is_padded(tmp_path: Path, size: int) -> None:
    raw = tmp_path / "disk.raw"
    raw.write_bytes(b"\x5a" * size)
    assert content_of(convert(raw)) == raw.read_bytes().ljust(-(-size // 512) * 512, b"\0")


def test_layout_is_that_of_the_specification(raw: Path) -> None:
    file = convert(raw)
    with file.open("rb") as stream:
        source = Source(stream.fileno(), 0, file.stat().st_size)
        header, footer = read_header(source), read_footer(source)
        records = list(read_records(source, header))
        directory = read_directory(source, header, footer.directory_offset)
        tables = read_tables(source, directory)
        descriptor = read_descriptor(source, header)
    assert (header.version, header.flags, header.directory_offset) == (3, 0x30001, DIRECTORY_AT_END)
    assert header.newlines_intact and header.redundant_offset == 0
    assert footer.directory_offset != DIRECTORY_AT_END
    kinds = [record.kind for record in records if isinstance(record, MetadataRecord)]
    assert kinds == [1, 1, 2, 3, MARKER_END], "a table behind its grains, twice; directory, footer, end"
    grains = {record.lba: record.sector for record in records if isinstance(record, GrainRecord)}
    assert tables == grains and list(grains) == sorted(grains)
    assert [lba // 128 for lba in grains] == [0, 3, 4, 600, 601, 602, 603, 767], "written zeros are left out"
    assert len(directory) == 2
    assert descriptor["createType"] == "streamOptimized"
    assert descriptor["extent"] == f'RDONLY {CAPACITY // SECTOR} SPARSE "disk.vmdk"'
    assert records[-1].sector * SECTOR == file.stat().st_size - SECTOR


def test_tables_without_grains_are_not_written(tmp_path: Path) -> None:
    raw = tmp_path / "disk.raw"
    with raw.open("wb") as stream:
        stream.truncate(64 << 30)
        stream.seek((33 << 30) + 4096)
        stream.write(b"far out")
    file = convert(raw)
    assert file.stat().st_size < 100 * 1024
    with file.open("rb") as stream:
        source = Source(stream.fileno(), 0, file.stat().st_size)
        header = read_header(source)
        directory = read_directory(source, header, read_footer(source).directory_offset)
    assert len(directory) == 2048 and [number for number, table in enumerate(directory) if table] == [33 * 32]
    assert read_disk(file).capacity_bytes == 64 << 30


def test_an_empty_disk_has_no_grain(tmp_path: Path) -> None:
    raw = tmp_path / "disk.raw"
    with raw.open("wb") as stream:
        stream.truncate(1 << 20)
    assert content_of(convert(raw)) == bytes(1 << 20)


def test_bytes_do_not_depend_on_workers_names_or_runs(raw: Path) -> None:
    first = convert(raw, "a.vmdk", workers=1).read_bytes()
    assert convert(raw, "b.vmdk", workers=5).read_bytes() == first
    assert convert(raw.rename(raw.with_name("other.raw")), "c.vmdk").read_bytes() == first


def test_bytes_do_not_depend_on_where_the_holes_are(raw: Path) -> None:
    dense = raw.with_name("dense.raw")
    dense.write_bytes(raw.read_bytes())
    assert dense.stat().st_blocks > raw.stat().st_blocks
    assert convert(dense, "dense.vmdk").read_bytes() == convert(raw).read_bytes()


def test_ids_follow_the_content_alone(raw: Path) -> None:
    def ids(file: Path) -> tuple[str, str]:
        with file.open("rb") as stream:
            source = Source(stream.fileno(), 0, file.stat().st_size)
            values = read_descriptor(source, read_header(source))
        return values["CID"], values["ddb.uuid.image"]

    before = ids(convert(raw, level=1))
    assert ids(convert(raw, level=12)) == before
    with raw.open("r+b") as stream:
        stream.seek(GRAIN * 700)
        stream.write(b"!")
    after = ids(convert(raw))
    assert after[0] != before[0] and after[1] != before[1]
    assert read_disk(raw.with_name("disk.vmdk")).image_uuid == uuid.UUID(after[1])


def test_content_ids_with_a_meaning_are_avoided() -> None:
    assert "CID=fffffffd\n" in describe_disk(128, b"\xff" * 32)


def test_only_data_extents_are_read(tmp_path: Path) -> None:
    raw = tmp_path / "disk.raw"
    with raw.open("wb") as stream:
        stream.truncate(1 << 30)
        for offset in (0, 512 << 20, (512 << 20) + GRAIN):
            stream.seek(offset)
            stream.write(b"data")
    with raw.open("rb") as stream:
        extents = list(find_data(stream.fileno(), 1 << 30))
    covered = [grain for extent in extents for grain in extent]
    assert {0, 8192, 8193} <= set(covered) and len(covered) == len(set(covered)) < 100


def test_memory_is_bounded(tmp_path: Path) -> None:
    raw = tmp_path / "disk.raw"
    raw.write_bytes(os.urandom(1 << 20) * 192)
    code = (
        "import resource, sys; from pathlib import Path; from practicum.ova.vmdk import write_stream_optimized as w;"
        "start = resource.getrusage(0).ru_maxrss;"
        "w(Path(sys.argv[1]), Path(sys.argv[2]), level=1, workers=2);"
        "print(resource.getrusage(0).ru_maxrss - start)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, raw, tmp_path / "out.vmdk"], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 64 * 1024, "KiB for 192 MiB of incompressible data"


def test_mistakes_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(PracticumError, match="cannot be read"):
        write_stream_optimized(tmp_path / "missing.raw", tmp_path / "out.vmdk")
    (tmp_path / "empty.raw").touch()
    with pytest.raises(PracticumError, match="0 bytes"):
        write_stream_optimized(tmp_path / "empty.raw", tmp_path / "out.vmdk")
    (tmp_path / "no.vmdk").write_bytes(b"no disk" * 1000)
    with pytest.raises(PracticumError, match="VMDK"):
        read_disk(tmp_path / "no.vmdk")
    assert not (tmp_path / "out.vmdk").exists()


def test_a_failure_leaves_the_old_disk(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = convert(raw).read_bytes()

    def fail(*_: object) -> bytes:
        raise OSError("disk on fire")

    monkeypatch.setattr(vmdk.deflate, "zlib_compress", fail)
    with pytest.raises(OSError, match="fire"):
        convert(raw)
    assert sorted(file.name for file in raw.parent.iterdir()) == ["disk.raw", "disk.vmdk"]
    assert raw.with_name("disk.vmdk").read_bytes() == old


def test_the_reader_does_not_trust_sizes(raw: Path) -> None:
    file = convert(raw)
    data = bytearray(file.read_bytes())
    struct.pack_into("<I", data, 128 * SECTOR + 8, 0xFFFF_FFFF)  # the first grain claims 4 GiB
    file.write_bytes(data)
    with file.open("rb") as stream:
        source = Source(stream.fileno(), 0, len(data))
        header = read_header(source)
        first = next(read_records(source, header))
        assert isinstance(first, GrainRecord) and first.stream == b""
        with pytest.raises(VmdkError):
            inflate_grain(first)
        with pytest.raises(VmdkError, match="beyond the end"):
            read_directory(source, Header(2**32 - 1, 1, 20, 21, 128), 21)
        with pytest.raises(VmdkError, match="more grain tables"):
            read_directory(source, Header(2**60, 1, 20, 21, 128), 21)
        first_sector = struct.pack("<I", 128)
        file.write_bytes(bytes(128 * SECTOR) + first_sector * 512)
        directory = [128] * 1000  # each of them the same table, whose entries are all set
        with pytest.raises(VmdkError, match="more grains than"):
            read_tables(Source(stream.fileno(), 0, file.stat().st_size), directory)


@needs_qemu
def test_qemu_finds_no_error_and_the_same_content(raw: Path) -> None:
    file = convert(raw)
    subprocess.run(["qemu-img", "check", "-q", file], check=True)
    subprocess.run(["qemu-img", "compare", "-q", "-f", "raw", "-F", "vmdk", raw, file], check=True)
    back = raw.with_name("back.raw")
    subprocess.run(["qemu-img", "convert", "-f", "vmdk", "-O", "raw", file, back], check=True)
    assert back.read_bytes() == raw.read_bytes()


@needs_qemu
def test_the_reader_understands_qemu_too(raw: Path) -> None:
    file = raw.with_name("qemu.vmdk")
    subprocess.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, file], check=True
    )
    assert content_of(file) == raw.read_bytes()
    with file.open("rb") as stream:
        source = Source(stream.fileno(), 0, file.stat().st_size)
        header = read_header(source)
        tables = read_tables(source, read_directory(source, header, header.directory_offset))
        grains = {r.lba: r.sector for r in read_records(source, header) if isinstance(r, GrainRecord)}
    assert tables == grains
    assert read_disk(file).image_uuid is None
