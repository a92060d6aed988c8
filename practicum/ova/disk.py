"""A root tree becomes a bootable disk image without booting, mounting or loop devices.

    sector 0        protective MBR with GRUB's boot.img, which loads
    1 MiB           BIOS boot partition: GRUB's core.img; nothing where computers have UEFI alone
    2 MiB           EFI system partition (FAT): EFI/BOOT/BOOTX64.EFI or BOOTAA64.EFI, the same GRUB for UEFI
    18 MiB          the Python environment, a squashfs: read-only, and compressed on the student's disk too
    after it        root partition to the end of the disk; its ext4 is as small as the tree and grows at the first boot

Both GRUBs find the root file system by its label and read /boot/grub/grub.cfg there (boot_menu.py), which finds the
kernels by itself. So a kernel upgrade in the appliance needs no boot loader tools.
"""

import os
import shutil
import struct
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from practicum.architecture import Boot
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.engine.run import run
from practicum.ova import times
from practicum.ova.boot_menu import boot_menu
from practicum.ova.squashfs import PYTHON_PLACE

SECTOR = 512
MIB = 1 << 20
BLOCK = 4096
BIOS_START, ESP_START, PYTHON_START = 1 * MIB, 2 * MIB, 18 * MIB
GPT_BACKUP = 1 * MIB
"""Bytes kept free at the end for the second GPT (33 sectors, rounded to the alignment)."""

LABEL = "practicum"
PYTHON_LABEL = "python"

INODE_RATIO = 65536
"""Bytes for each inode: a million of them on 64 GB. The tables are zeroed when the file system grows: 256 MB."""

SLACK = 192 * MIB
"""Free bytes in the unexpanded file system: enough to boot should growing it ever fail."""

BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
LINUX_DATA = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
"""Partition types: GRUB manual, UEFI specification, Discoverable Partitions Specification (any data)."""

GRUB_FOLDER = Path("usr/lib/grub")
"""Of GRUB's files, below `/` of the machine that builds or below the folder that a package was unpacked into."""

COMMON_MODULES = (
    *("part_gpt", "ext2", "normal", "configfile", "linux", "search", "search_label"),
    *("echo", "test", "minicmd", "serial", "terminal", "sleep", "reboot", "halt", "ls", "cat"),
)
BIOS_MODULES = ("biosdisk", *COMMON_MODULES)
EFI_MODULES = ("fat", "efi_gop", "all_video", *COMMON_MODULES)

TOOLS = (
    "mke2fs",
    "debugfs",
    "dumpe2fs",
    "mksquashfs",
    "sfdisk",
    "grub-mkimage",
    "mcopy",
    "mmd",
    "mkfs.vfat",
    "tar",
)


def list_grub_files(boot: Boot) -> tuple[str, ...]:
    """Return files that are on the machine that builds where the packages of GRUB's loaders are installed there."""
    return tuple(f"/{GRUB_FOLDER / target}/modinfo.sh" for target in (boot.bios, boot.uefi) if target)


@dataclass(frozen=True)
class Plan:
    """name: what all identifiers derive from; title: what the boot menu shows; hostname; size: bytes of the disk;
    epoch: seconds since 1970 that stand as the time of writing, so that two builds agree; boot: how it starts.
    """

    name: str
    title: str
    hostname: str
    size: int
    epoch: int
    boot: Boot

    def guid(self, part: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"practicum:{self.name}:{part}"))


def write_disk(tree: Path, python: Path, raw: Path, plan: Plan, *, grub: Path, work: Path, console: Console) -> None:
    """Write the sparse raw image `raw` of `plan.size` bytes from the root file system in `tree` and the squashfs.

    grub: the folder below which GRUB_FOLDER is. Raises PracticumError when the tree does not fit on the disk.
    """
    log = work / "disk.log"
    finish_tree(tree, plan)
    times.clamp(tree, plan.epoch, log)
    with raw.open("wb") as file:
        file.truncate(plan.size)
    blocks = count_blocks(tree)
    root_start = align(PYTHON_START + python.stat().st_size)
    if root_start + blocks * BLOCK > plan.size - GPT_BACKUP:
        raise PracticumError(
            "disk",
            f"the system needs {blocks * BLOCK // MIB} MiB, appliance.disk_gb leaves less",
            "raise it in semester.toml",
        )
    console.say("writing the file system")
    run(mke2fs_argv(tree, raw, root_start, blocks, plan), step="disk", log=log, env=times.fake_time(plan.epoch))
    times.settle_inodes(raw, root_start, plan.epoch, work / "times.debugfs", log)
    console.say("writing the boot loaders")
    run(sfdisk_argv(raw), step="disk", log=log, stdin=_write(work / "layout.sfdisk", layout(plan, root_start)))
    folder = grub / GRUB_FOLDER
    if plan.boot.bios:
        write_bios_loader(raw, folder / plan.boot.bios, make_core(plan.boot, folder, work, log))
    write_esp(raw, folder, work, plan, log)
    write_at(raw, PYTHON_START, python)


def align(size: int) -> int:
    """Return `size` rounded up to the next MiB."""
    return -(-size // MIB) * MIB


def finish_tree(tree: Path, plan: Plan) -> None:
    """Write the files that docker itself mounts over in a container, and the boot menu."""
    (tree / ".dockerenv").unlink(missing_ok=True)
    for folder in ("dev", "proc", "run", "sys", "tmp"):
        _empty(tree / folder)
    _replace(tree / "etc/hostname", f"{plan.hostname}\n")
    _replace(tree / "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {plan.hostname}\n::1 localhost ip6-localhost\n")
    resolver = tree / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.symlink_to("../run/systemd/resolve/stub-resolv.conf")
    _empty(tree / PYTHON_PLACE)
    (tree / "boot/grub").mkdir(parents=True, exist_ok=True)
    _replace(tree / "boot/grub/grub.cfg", boot_menu(plan.title, LABEL, plan.boot))


def count_blocks(tree: Path) -> int:
    """Return the ext4 blocks (4 KiB) that hold the tree, its inode tables and SLACK."""
    files, data = 0, 0
    for folder, folders, names in os.walk(tree):
        for name in (*folders, *names):
            files += 1
            data += -(-os.lstat(os.path.join(folder, name)).st_size // BLOCK)  # noqa: PTH118
    data += files // 8  # directory blocks and extent trees, measured under this on trees of 10^5 files
    tables = (data * BLOCK // INODE_RATIO) * 256 // BLOCK
    # Small files and links may need more inodes than blocks, and the blocks' number gives that of the inodes.
    return max(data + tables + data // 50, files * INODE_RATIO // BLOCK) + SLACK // BLOCK


def mke2fs_argv(tree: Path, raw: Path, start: int, blocks: int, plan: Plan) -> list[str]:
    extended = f"offset={start},hash_seed={plan.guid('hash')},root_owner=0:0"
    return [
        "mke2fs", "-q", "-F", "-t", "ext4", "-b", str(BLOCK), "-i", str(INODE_RATIO), "-L", LABEL,
        "-U", plan.guid("root"), "-E", extended, "-d", os.fspath(tree), os.fspath(raw), str(blocks),
    ]  # fmt: skip


def sfdisk_argv(raw: Path) -> list[str]:
    return ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--wipe", "never", os.fspath(raw)]


def layout(plan: Plan, root_start: int) -> str:
    """Return the partition table in sfdisk's words; identifiers derive from the name, so two builds agree."""
    end = plan.size - GPT_BACKUP
    rows: Iterable[tuple[str, int, int, str]] = (
        *([("bios", BIOS_START, ESP_START, BIOS_BOOT)] if plan.boot.bios else []),
        ("esp", ESP_START, PYTHON_START, ESP),
        (PYTHON_LABEL, PYTHON_START, root_start, LINUX_DATA),
        ("root", root_start, end, plan.boot.root),
    )
    lines = ["label: gpt", f"label-id: {plan.guid('disk')}", "unit: sectors"]
    for name, start, stop, kind in rows:
        size = (stop - start) // SECTOR
        lines.append(f"start={start // SECTOR}, size={size}, type={kind}, uuid={plan.guid(name)}, name={name}")
    return "\n".join(lines) + "\n"


def mkimage_argv(target: str, modules: Iterable[str], folder: Path, config: Path, out: Path) -> list[str]:
    return [
        "grub-mkimage", "-O", target, "-d", os.fspath(folder / target), "-p", "/boot/grub",
        "-c", os.fspath(config), "-o", os.fspath(out), *modules,
    ]  # fmt: skip


def loader_config() -> str:
    """Return the script inside both GRUBs: find the root file system by label, show the boot menu that lies there."""
    return (
        f"search --no-floppy --label {LABEL} --set=root\nset prefix=($root)/boot/grub\nconfigfile /boot/grub/grub.cfg\n"
    )


def make_core(boot: Boot, folder: Path, work: Path, log: Path) -> bytes:
    core = work / "core.img"
    config = _write(work / "loader.cfg", loader_config())
    run(mkimage_argv(boot.bios, BIOS_MODULES, folder, config, core), step="disk", log=log)
    return core.read_bytes()


def write_bios_loader(raw: Path, folder: Path, core: bytes) -> None:
    """Put boot.img of `folder` into the MBR and core.img into the BIOS boot partition, linked by their sector numbers.

    Offsets: boot.img keeps the 64-bit sector of core.img at 0x5c and its drive check at 0x66; core.img's first sector
    keeps the list of the sectors that follow, with its first entry at 0x1f4 (GRUB 2, include/grub/i386/pc/boot.h).
    """
    if len(core) > ESP_START - BIOS_START:
        raise PracticumError(
            "disk", f"GRUB's core image has {len(core)} bytes, more than its partition", "drop modules"
        )
    first = BIOS_START // SECTOR
    boot = bytearray((folder / "boot.img").read_bytes()[:440])
    struct.pack_into("<Q", boot, 0x5C, first)
    boot[0x66:0x68] = b"\x90\x90"  # trust the drive number of the BIOS: the check in its place is for floppy disks
    padded = bytearray(core)
    struct.pack_into("<Q", padded, 0x1F4, first + 1)
    with raw.open("r+b") as file:
        file.write(boot)
        file.seek(BIOS_START)
        file.write(padded)


def write_esp(raw: Path, folder: Path, work: Path, plan: Plan, log: Path) -> None:
    """Write the FAT file system with the removable-media boot path, the one every UEFI tries without being told."""
    loader, image = work / plan.boot.removable, work / "esp.img"
    config = _write(work / "loader.cfg", loader_config())
    run(mkimage_argv(plan.boot.uefi, EFI_MODULES, folder, config, loader), step="disk", log=log)
    with image.open("wb") as file:
        file.truncate(PYTHON_START - ESP_START)
    volume = uuid.UUID(plan.guid("esp")).hex[:8]
    stamp = {"SOURCE_DATE_EPOCH": str(plan.epoch)}
    run(["mkfs.vfat", "-i", volume, "-n", "EFI", "--invariant", os.fspath(image)], step="disk", log=log)
    run(["mmd", "-i", os.fspath(image), "::/EFI", "::/EFI/BOOT"], step="disk", log=log, env=stamp)
    run(["mcopy", "-i", os.fspath(image), os.fspath(loader), "::/EFI/BOOT/"], step="disk", log=log, env=stamp)
    write_at(raw, ESP_START, image)


def write_at(raw: Path, start: int, part: Path) -> None:
    with part.open("rb") as source, raw.open("r+b") as target:
        target.seek(start)
        shutil.copyfileobj(source, target, MIB)


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _replace(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)  # never through a link that would lead out of the tree
    path.write_text(text)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
