"""What `make hardware` boots, and what it says of it. QEMU does the rest."""

import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import hardware  # noqa: E402
from hardware import TRIALS, Outcome, Trial  # noqa: E402

from practicum.architecture import ARM64  # noqa: E402
from practicum.engine.errors import PracticumError  # noqa: E402
from smoke_tests import qemu  # noqa: E402
from smoke_tests.accelerator import FORCED, emulate  # noqa: E402
from smoke_tests.hardware import CARDS, DISKS, find_hardware  # noqa: E402
from smoke_tests.processor import PROCESSORS  # noqa: E402

PAGE = "  Access code  k7wq-3mzp-x4td\n  Status       starting: waiting for the disk\n  Host key     SHA256:x\n"


# ---- what is booted ------------------------------------------------------------------------------------------------


def test_every_controller_is_tried_under_both_firmwares_and_every_card_and_format() -> None:
    tried = {(trial.uefi, trial.hardware.disk) for trial in TRIALS}
    # The board q35 has no IDE controller.
    assert tried == {(uefi, disk) for uefi in (False, True) for disk in DISKS} - {(True, "ide")}
    assert {trial.hardware.card for trial in TRIALS} == CARDS.keys()
    assert {trial.disk_format for trial in TRIALS} == {"raw", "qcow2", "vhdx"}
    assert {(trial.uefi, trial.hardware.board) for trial in TRIALS} == {(False, "pc"), (True, "q35")}
    assert len({trial.name for trial in TRIALS}) == len(TRIALS)


def test_words_choose_among_the_machines() -> None:
    assert hardware.choose("") == list(TRIALS)
    chosen = [trial.name for trial in hardware.choose("nvme,vhdx")]
    assert chosen == [
        "bios-pc-nvme-vmxnet3-raw",
        "bios-pc-ide-e1000-vhdx",
        "uefi-q35-nvme-vmxnet3-raw",
        "uefi-q35-ahci-e1000-vhdx",
    ]
    with pytest.raises(PracticumError, match=r"^--only floppy: no such machine; there are bios-pc-ahci-e1000-raw, "):
        hardware.choose("floppy")


def test_disks_are_converted_by_qemu_img() -> None:
    argv = hardware.convert_argv(Path("/w/disk.raw"), "vhdx", Path("/w/disk.vhdx"))
    assert argv == ["qemu-img", "convert", "-O", "vhdx", "/w/disk.raw", "/w/disk.vhdx"]


# ---- how QEMU is told ----------------------------------------------------------------------------------------------


def list_options(argv: list[str], option: str) -> Iterator[str]:
    return (value for name, value in pairwise(argv) if name == option)


def make_machine(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> qemu.Machine:
    monkeypatch.setenv(FORCED, "tcg")
    monkeypatch.setattr(qemu.subprocess, "run", lambda *_args, **_options: None)  # qemu-img
    return qemu.Machine(folder / "disk", folder, folder, "m", **options)  # type: ignore[arg-type]


def test_a_machine_has_the_hardware_of_virtualbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    argv = make_machine(tmp_path, monkeypatch)._command(3)
    devices = ["ahci,id=sata", "ide-hd,drive=disk,bus=sata.0", "e1000,netdev=nat"]
    assert list(list_options(argv, "-device")) == devices
    assert list(list_options(argv, "-machine")) == ["pc,memory-backend=memory"]


def test_a_machine_for_arm_has_the_hardware_of_its_ova(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As practicum.architecture says it, and no line of it twice."""
    options = {"architecture": ARM64, "hardware": find_hardware(ARM64)}
    argv = make_machine(tmp_path, monkeypatch, **options)._command(3)
    assert Path(argv[0]).name == "qemu-system-aarch64" and "-vga" not in argv
    disk = ["virtio-scsi-pci,id=scsi", "scsi-hd,drive=disk,bus=scsi.0"]
    devices = ["ramfb", *disk, "e1000,netdev=nat", "qemu-xhci", "usb-kbd", "usb-tablet"]
    assert list(list_options(argv, "-device")) == devices
    assert list(list_options(argv, "-machine")) == ["virt,memory-backend=memory"]
    assert [*list_options(argv, "-accel"), *list_options(argv, "-cpu")] == list(emulate(ARM64)[1::2])


def test_uefi_has_files_of_its_own_for_each_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if (pair := PROCESSORS[ARM64].find_firmware()) is None:
        pytest.skip(f"no UEFI firmware on this machine: apt-get install {PROCESSORS[ARM64].package}")
    options = {"architecture": ARM64, "hardware": find_hardware(ARM64), "uefi": True}
    machine = make_machine(tmp_path, monkeypatch, **options)
    code, variables, _ = list_options(machine._command(3), "-drive")
    assert code == f"if=pflash,format=raw,readonly=on,file={pair[0]}"
    assert variables == f"if=pflash,format=raw,file={machine.variables}"
    assert machine.variables.read_bytes() == pair[1].read_bytes()


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_a_machine_has_the_hardware_of_its_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trial: Trial) -> None:
    argv = make_machine(tmp_path, monkeypatch, hardware=trial.hardware)._command(3)
    *disk, card = list_options(argv, "-device")
    assert tuple(disk) == DISKS[trial.hardware.disk] and card == CARDS[trial.hardware.card]
    assert list(list_options(argv, "-machine")) == [f"{trial.hardware.board},memory-backend=memory"]
    assert sum("drive=disk" in device for device in disk) == 1
    assert any(drive.startswith("if=none,id=disk,") for drive in list_options(argv, "-drive"))


def test_memory_is_a_file_without_a_name_until_it_is_that_of_a_saved_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = qemu.Resume(tmp_path / "memory", tmp_path / "state", tmp_path / "console")
    for resume, file in ((None, "memfd,id=memory,size=4096M,share=on"), (saved, "file,id=memory,size=4096M,")):
        argv = make_machine(tmp_path, monkeypatch, resume=resume)._command(3)
        (backend,) = list_options(argv, "-object")
        assert backend.startswith(f"memory-backend-{file}")
        assert backend.endswith(",share=off") == bool(resume), "what goes on must not write into the saved memory"


# ---- what is said --------------------------------------------------------------------------------------------------


def test_outcomes_are_one_line() -> None:
    assert str(Outcome(71.4, 98.6)) == "ready after 71 s (99 CPU s)"
    assert str(Outcome(60, 3, "m stalled; said last: x")) == "NOT READY after 60 s (3 CPU s): m stalled; said last: x"


@pytest.mark.parametrize(
    ("console", "qemu_says", "last"),
    [
        (PAGE, "", "starting: waiting for the disk"),
        ("GRUB loading.\nerror: disk not found.\n\n", "", "error: disk not found."),
        ("", "qemu-system-x86_64: -device nvme: no bus\n", "qemu-system-x86_64: -device nvme: no bus"),
        ("", "", "nothing"),
    ],
)
def test_trouble_names_what_was_said_last(console: str, qemu_says: str, last: str) -> None:
    error = "m stalled before its console showed 'x'. Last lines of /logs/m.log:\none\ntwo"
    told = hardware.explain(error, console, qemu_says)
    assert told == f"m stalled before its console showed 'x'; said last: {last}"
