"""practicum.ova.disk: what it writes, judged by the programs that read it: sfdisk, e2fsck, dumpe2fs, mtools, GRUB."""

import json
import os
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from grub_script import check_grub_script, find_module, list_commands
from survivors import HANG

from practicum.architecture import AMD64, ARCHITECTURES, ARM64, Architecture
from practicum.engine import cache, tools
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.ova import disk, squashfs
from practicum.ova.boot_menu import boot_menu
from practicum.ova.disk import BIOS_START, BLOCK, ESP_START, GPT_BACKUP, MIB, PYTHON_START, SECTOR, Plan

MISSING = [tool for tool in (*disk.TOOLS, *disk.list_grub_files(AMD64.boot)) if not tools.find(tool)]
PLAN = Plan("ee559-2027-spring", "EE-559 Deep Learning", "ee559", 8 << 30, 1_767_225_600, AMD64.boot)
ARM_PLAN = replace(PLAN, name="ee559-2027-spring-arm64", boot=ARM64.boot)
GRUB = Path("/") / disk.GRUB_FOLDER
ROOT_START = 50 * MIB

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"missing here: {', '.join(MISSING)}")


def ask(*argv: str | os.PathLike[str], stdin: str | None = None, check: bool = True) -> str:
    tool = tools.find(os.fspath(argv[0]))
    assert tool, argv[0]
    done = subprocess.run(
        [tool, *map(os.fspath, argv[1:])], input=stdin, capture_output=True, text=True, check=False, timeout=HANG
    )
    assert not (check and done.returncode), f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def make_raw(path: Path, size: int = PLAN.size) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


# ---- the partition table -------------------------------------------------------------------------------------------


def read_table(raw: Path) -> dict[str, object]:
    table: dict[str, object] = json.loads(ask("sfdisk", "--json", raw))["partitiontable"]
    return table


def partition(raw: Path, plan: Plan, root_start: int = ROOT_START) -> None:
    ask(*disk.sfdisk_argv(raw), stdin=disk.layout(plan, root_start))


def test_sfdisk_reads_back_the_layout(tmp_path: Path) -> None:
    raw = make_raw(tmp_path / "disk.raw")
    partition(raw, PLAN)
    table = read_table(raw)
    assert table["label"] == "gpt" and table["sectorsize"] == SECTOR
    assert str(table["id"]).lower() == PLAN.guid("disk")
    parts = table["partitions"]
    assert isinstance(parts, list)
    assert [(part["name"], part["type"], part["start"] * SECTOR) for part in parts] == [
        ("bios", disk.BIOS_BOOT, BIOS_START),
        ("esp", disk.ESP, ESP_START),
        (disk.PYTHON_LABEL, disk.LINUX_DATA, PYTHON_START),
        ("root", AMD64.boot.root, ROOT_START),
    ]
    ends = [(part["start"] + part["size"]) * SECTOR for part in parts]
    assert ends == [ESP_START, PYTHON_START, ROOT_START, PLAN.size - GPT_BACKUP]
    assert len({part["uuid"] for part in parts}) == 4
    assert "No errors detected" in ask("sfdisk", "--verify", raw)


def test_disk_without_a_bios_has_no_partition_for_one(tmp_path: Path) -> None:
    raw = make_raw(tmp_path / "disk.raw")
    partition(raw, ARM_PLAN)
    parts = read_table(raw)["partitions"]
    assert isinstance(parts, list)
    assert [(part["name"], part["type"], part["start"] * SECTOR) for part in parts] == [
        ("esp", disk.ESP, ESP_START),
        (disk.PYTHON_LABEL, disk.LINUX_DATA, PYTHON_START),
        ("root", ARM64.boot.root, ROOT_START),
    ]
    assert "No errors detected" in ask("sfdisk", "--verify", raw)


@pytest.mark.parametrize(("plan", "root"), [(PLAN, "Linux root (x86-64)"), (ARM_PLAN, "Linux root (ARM-64)")])
def test_sfdisk_knows_each_partition_by_its_purpose(tmp_path: Path, plan: Plan, root: str) -> None:
    """Its own list counts, not our constants: UEFI firmware may look for its boot loader by the type alone."""
    raw = make_raw(tmp_path / "disk.raw")
    partition(raw, plan)
    known = ask("sfdisk", "--label", "gpt", "--list-types")
    purposes = dict(re.findall(r"^([0-9A-F-]{36}) +(\S.*)$", known, re.MULTILINE))
    parts = read_table(raw)["partitions"]
    assert isinstance(parts, list)
    assert {part["name"]: purposes.get(part["type"]) for part in parts} == {
        **({"bios": "BIOS boot"} if plan.boot.bios else {}),
        "esp": "EFI System",
        disk.PYTHON_LABEL: "Linux filesystem",
        "root": root,
    }


def test_same_name_gives_the_same_table_and_another_name_another(tmp_path: Path) -> None:
    tables = []
    for number, plan in enumerate((PLAN, PLAN, replace(PLAN, name="ee559-2028-spring"))):
        raw = make_raw(tmp_path / f"{number}.raw")
        partition(raw, plan)
        tables.append(raw.open("rb").read(MIB))
    assert tables[0] == tables[1] != tables[2]


@pytest.mark.parametrize("gigabytes", [8, 64, 2000])
def test_layout_fits_every_size_that_a_description_may_ask_for(tmp_path: Path, gigabytes: int) -> None:
    plan = replace(PLAN, size=gigabytes << 30)
    raw = make_raw(tmp_path / "disk.raw", plan.size)
    partition(raw, plan)
    assert "No errors detected" in ask("sfdisk", "--verify", raw)


def test_align_gives_the_next_mebibyte() -> None:
    assert [disk.align(size) for size in (0, 1, MIB, MIB + 1)] == [0, MIB, MIB, 2 * MIB]


# ---- the boot loaders ----------------------------------------------------------------------------------------------


def test_bios_loader_is_linked_by_sector_numbers_and_spares_the_partition_table(tmp_path: Path) -> None:
    raw = make_raw(tmp_path / "disk.raw")
    partition(raw, PLAN)
    before = raw.open("rb").read(2 * SECTOR)
    core = bytes(range(256)) * 40
    disk.write_bios_loader(raw, GRUB / AMD64.boot.bios, core)
    with raw.open("rb") as file:
        after = file.read(2 * SECTOR)
        file.seek(BIOS_START)
        written = file.read(len(core) + SECTOR)
    assert after[440:] == before[440:], "disk signature, protective MBR and GPT header are not the boot loader's"
    assert struct.unpack_from("<Q", after, 0x5C) == (BIOS_START // SECTOR,)
    assert after[0x66:0x68] == b"\x90\x90"
    image = (GRUB / AMD64.boot.bios / "boot.img").read_bytes()
    assert after[:0x5C] == image[:0x5C] and after[0x68:440] == image[0x68:440]
    assert struct.unpack_from("<Q", written, 0x1F4) == (BIOS_START // SECTOR + 1,)
    assert written[:0x1F4] == core[:0x1F4] and written[0x1FC:] == core[0x1FC:] + bytes(SECTOR)
    assert "No errors detected" in ask("sfdisk", "--verify", raw)


def test_bios_loader_too_large_for_its_partition_is_refused(tmp_path: Path) -> None:
    raw = make_raw(tmp_path / "disk.raw")
    with pytest.raises(PracticumError, match="1048577 bytes, more than its partition; drop modules"):
        disk.write_bios_loader(raw, GRUB / AMD64.boot.bios, bytes(MIB + 1))
    assert raw.stat().st_blocks == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="the build's containment needs root")
def test_grub_makes_a_core_that_fits_with_room(tmp_path: Path) -> None:
    core = disk.make_core(AMD64.boot, GRUB, tmp_path, tmp_path / "disk.log")
    assert 30_000 < len(core) < (ESP_START - BIOS_START) // 2
    # The list of sectors that write_bios_loader points to: one entry, right behind the first sector.
    start, length, _segment = struct.unpack_from("<QHH", core, 0x1F4)
    assert length == -(-len(core) // SECTOR) - 1
    assert start == 2, "grub-mkimage expects core.img behind the MBR; write_bios_loader corrects this number alone"


def test_loader_finds_the_menu_by_the_label(tmp_path: Path) -> None:
    script = disk.loader_config()
    check_grub_script(script, tmp_path)
    assert f"--label {disk.LABEL} " in script and script.endswith("configfile /boot/grub/grub.cfg\n")
    # Each command of the scripts is a module inside both loaders; those of the menu too, for the disk has no others.
    for command in list_commands(script) | list_commands(boot_menu(PLAN.title, disk.LABEL, PLAN.boot)):
        module = find_module(command)
        assert module is None or (module in disk.BIOS_MODULES and module in disk.EFI_MODULES), command


# ---- the root file system ------------------------------------------------------------------------------------------


def make_tiny_files(tree: Path) -> None:
    # In many folders: mke2fs takes seconds for a folder of thousands, and minutes for twice as many.
    for number in range(6_000):
        folder = tree / str(number // 250)
        folder.mkdir(exist_ok=True)
        (folder / str(number)).write_bytes(b"x")


def make_empty_files_and_links(tree: Path) -> None:
    """They need an inode each and no block: the disk may run out of inodes with all its blocks free."""
    for number in range(4_000):
        folder = tree / str(number // 125)
        folder.mkdir(exist_ok=True)
        (folder / f"e{number}").touch()
        (folder / f"l{number}").symlink_to("e0")


def make_long_names(tree: Path) -> None:
    for number in range(2_000):
        (tree / f"{number:0>250}").touch()
        (tree / f"l{number}").symlink_to("x" * 900)  # a target too long for the inode


def make_deep_folders(tree: Path) -> None:
    for top in range(40):
        folder = tree / str(top)
        for _ in range(100):
            folder = folder / "d"
        folder.mkdir(parents=True)
        (folder / "leaf").write_text("leaf")


def make_one_big_file(tree: Path) -> None:
    with (tree / "big").open("wb") as file:
        for _ in range(96):
            file.write(b"x" * MIB)


def make_sparse_file(tree: Path) -> None:
    with (tree / "sparse").open("wb") as file:
        file.truncate(512 * MIB)
        for offset in range(0, 512 * MIB, 8 * MIB):
            file.seek(offset)
            file.write(b"island")


def make_hard_links(tree: Path) -> None:
    (tree / "one").write_bytes(os.urandom(MIB))
    for number in range(100):
        (tree / str(number)).hardlink_to(tree / "one")


@pytest.mark.parametrize(
    "fill",
    [
        make_tiny_files,
        make_empty_files_and_links,
        make_long_names,
        make_deep_folders,
        make_one_big_file,
        make_sparse_file,
        make_hard_links,
    ],
    ids=lambda fill: fill.__name__,
)
@pytest.mark.slow
def test_count_blocks_is_never_too_small(tmp_path: Path, fill: Callable[[Path], None]) -> None:
    tree, raw = tmp_path / "tree", make_raw(tmp_path / "root.raw")
    tree.mkdir()
    fill(tree)
    blocks = disk.count_blocks(tree)
    ask(*disk.mke2fs_argv(tree, raw, 0, blocks, PLAN))
    shutil.rmtree(tree)
    said = ask("dumpe2fs", "-h", raw)
    told = dict(re.findall(r"^([A-Z][\w ]+): +(.*)$", said, re.MULTILINE))
    assert told["Filesystem volume name"] == disk.LABEL and int(told["Block count"]) == blocks
    # What booting writes before the file system has grown: journal, logs, keys, the first sync of the content.
    assert int(told["Free blocks"]) * BLOCK >= 64 * MIB and int(told["Free inodes"]) >= 2_000
    ask("e2fsck", "-f", "-n", raw)


# ---- the whole disk ------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root tree with the marks docker leaves, and files that must not survive."""
    tree = tmp_path / "tree"
    for folder in ("boot", "dev", "etc", "proc", "run/practicum", "sys", "tmp", "usr/bin", disk.PYTHON_PLACE):
        (tree / folder).mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.write_text("host")
    (tree / ".dockerenv").touch()
    (tree / "etc/hostname").touch()
    (tree / "etc/hosts").symlink_to(outside)
    (tree / "etc/resolv.conf").touch()
    (tree / "run/alive").touch()
    (tree / "tmp/link").symlink_to(tmp_path, target_is_directory=True)
    (tree / "usr/bin/program").write_bytes(b"program" * 1000)
    return tree


def test_finish_tree_stays_inside_the_tree(tree: Path, tmp_path: Path) -> None:
    disk.finish_tree(tree, PLAN)
    assert (tmp_path / "outside").read_text() == "host"
    assert not (tree / ".dockerenv").exists()
    assert not any(list((tree / folder).iterdir()) for folder in ("dev", "proc", "run", "sys", "tmp"))
    assert (tree / "etc/hostname").read_text() == "ee559\n" and "127.0.1.1 ee559\n" in (tree / "etc/hosts").read_text()
    assert (tree / "etc/resolv.conf").readlink() == Path("../run/systemd/resolve/stub-resolv.conf")
    assert (tree / "boot/grub/grub.cfg").read_text() == boot_menu(PLAN.title, disk.LABEL, PLAN.boot)


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Stands for the squashfs: bytes that can be found again, of a length that is no multiple of a sector."""
    path = tmp_path / "python.squashfs"
    path.write_bytes(b"hsqs" + os.urandom(3 * MIB + 77))
    return path


def copy_on_another_day(tree: Path, copy: Path) -> Path:
    """The same files, written at another time and read since."""
    shutil.copytree(tree, copy, symlinks=True)
    for path in (copy, *copy.rglob("*")):
        os.utime(path, (1_800_000_000, 1_900_000_000), follow_symlinks=False)
    return copy


def find_grub(architecture: Architecture) -> Path:
    """The folder below which GRUB's files for the architecture are: installed here, or fetched by an earlier build."""
    fetched = cache.locate().glob(f"stages/grub{architecture.suffix}/*")
    for folder in (Path("/"), *fetched):
        if (folder / disk.GRUB_FOLDER / architecture.boot.uefi / "modinfo.sh").exists():
            return folder
    pytest.skip(f"no {architecture.boot.package} here: no build has fetched it")


@pytest.mark.skipif(os.geteuid() != 0, reason="the build's containment needs root")
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.name)
@pytest.mark.slow
def test_write_disk(tree: Path, python: Path, tmp_path: Path, architecture: Architecture) -> None:
    plan, work = replace(PLAN, size=1 << 30, boot=architecture.boot), tmp_path / "work"
    grub = find_grub(architecture)
    work.mkdir()
    raw, again = tmp_path / "disk.raw", tmp_path / "again.raw"
    other_day = copy_on_another_day(tree, tmp_path / "other")
    for path, source in ((raw, tree), (again, other_day)):
        disk.write_disk(source, python, path, plan, grub=grub, work=work, console=Console(plain=True))
    assert raw.stat().st_size == plan.size and raw.stat().st_blocks * 512 < 100 * MIB, "the disk must stay sparse"
    assert "No errors detected" in ask("sfdisk", "--verify", raw)
    parts = {part["name"]: part["start"] * SECTOR for part in read_table(raw)["partitions"]}  # type: ignore[attr-defined]
    ask("qemu-img", "compare", "-f", "raw", "-F", "raw", raw, again)  # not the holes, as cmp does
    with raw.open("rb") as file:
        file.seek(parts[disk.PYTHON_LABEL])
        assert file.read(python.stat().st_size) == python.read_bytes()
        file.seek(510)
        assert file.read(2) == b"\x55\xaa"
    ask("e2fsck", "-f", "-n", f"{raw}?offset={parts['root']}")
    assert "program" in ask("debugfs", "-R", "ls /usr/bin", f"{raw}?offset={parts['root']}")
    listed = ask("mdir", "-b", "-i", f"{raw}@@{parts['esp']}", "::/EFI/BOOT")
    assert listed.split() == [f"::/EFI/BOOT/{architecture.boot.removable}"]


@pytest.mark.skipif(os.geteuid() != 0, reason="the build's containment needs root")
def test_squashfs_is_the_same_for_the_same_tree_and_holds_it(tree: Path, tmp_path: Path) -> None:
    first, second, log = tmp_path / "1.squashfs", tmp_path / "2.squashfs", tmp_path / "log"
    os.chown(tree / "usr/bin/program", 1000, 1000)
    other_day = copy_on_another_day(tree, tmp_path / "other")
    os.chown(other_day / "usr/bin/program", 1000, 1000)
    for out, source in ((first, tree), (second, other_day)):
        squashfs.write_squashfs(source / "usr", out, epoch=PLAN.epoch, log=log)
    assert first.read_bytes() == second.read_bytes() and first.read_bytes()[:4] == b"hsqs"
    listed = ask("unsquashfs", "-lls", first)
    assert re.search(r"^-rw-r--r-- root/root +7000 .*/bin/program$", listed, re.MULTILINE), listed
    assert "Compression zstd" in ask("unsquashfs", "-stat", first)


@pytest.mark.skipif(os.geteuid() != 0, reason="the build's containment needs root")
def test_files_that_are_read_first_lie_first(tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    folder.mkdir()
    names = [f"{number}.pyc" for number in range(6)]
    marks = {name: os.urandom(64) for name in names}
    for name in names:
        (folder / name).write_bytes(marks[name])  # random bytes, which compression leaves as they are
    first = squashfs.parse_read_order("a program says this\nFILE 4.pyc\nFILE 1.pyc\n")
    assert first == ["4.pyc", "1.pyc"]
    out = tmp_path / "out.squashfs"
    squashfs.write_squashfs(folder, out, epoch=PLAN.epoch, log=tmp_path / "log", first=first)
    places = {name: out.read_bytes().index(marks[name]) for name in names}
    assert sorted(names, key=places.__getitem__)[:2] == first


@pytest.mark.skipif(os.geteuid() != 0, reason="the build's containment needs root")
def test_system_that_does_not_fit_is_refused_with_the_key_to_change(tree: Path, python: Path, tmp_path: Path) -> None:
    small = replace(PLAN, size=200 * MIB)
    with pytest.raises(PracticumError, match=r"^disk: the system needs \d+ MiB, .*disk_gb.*semester\.toml$"):
        disk.write_disk(tree, python, tmp_path / "disk.raw", small, grub=Path("/"), work=tmp_path, console=Console())
