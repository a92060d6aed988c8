"""A boot on a tenth of a core gives up nowhere; one that fails says so and tries again, and opens no shell for root."""

import configparser
import os
import re
import subprocess
from pathlib import Path

import pytest
from survivors import HANG

from practicum.architecture import AMD64, ARCHITECTURES, Architecture
from practicum.ova import disk
from practicum.ova.boot_menu import boot_menu

ROOT = Path(__file__).parents[1]
ROLE = ROOT / "ansible" / "roles" / "appliance"
SYSTEMD = ROLE / "files" / "etc" / "systemd"
EMERGENCY = ROLE / "files" / "usr" / "local" / "sbin" / "course-emergency"
ROOT_DISK = ROLE / "files" / "initramfs" / "etc" / "initramfs-tools" / "scripts" / "local-block" / "practicum"

SLOWNESS = 10
"""How many times longer than on a core of its own a boot may take."""
SYSTEMD_LIMIT, UDEV_LIMIT = 90, 180
"""Seconds for a start or a device, and for a device's event, as in Debian 12: systemd-system.conf(5), udev.conf(5)."""


def read_unit(path: Path) -> configparser.RawConfigParser:
    """The unit file; of a key that stands twice, the last value."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(path.read_text())
    return unit


def count_seconds(text: str) -> float:
    """A systemd time span as the role writes them: `20`, `20s`, `15min`, `infinity`."""
    if text == "infinity":
        return float("inf")
    match = re.fullmatch(r"(\d+)(s|min|)", text)
    assert match, f"{text!r} is written in a way that this test does not read"
    return int(match[1]) * (60 if match[2] == "min" else 1)


def read_kernel_arguments() -> list[list[str]]:
    """The arguments of each entry of every architecture's boot menu."""
    menus = [boot_menu("t", disk.LABEL, architecture.boot) for architecture in ARCHITECTURES]
    return [line.split()[2:] for menu in menus for line in menu.splitlines() if line.startswith("    linux ")]


@pytest.mark.parametrize("key", ["DefaultDeviceTimeoutSec", "DefaultTimeoutStartSec"])
def test_systemd_waits_ten_times_as_long_and_not_for_ever(key: str) -> None:
    manager = read_unit(SYSTEMD / "system.conf.d" / "course.conf")["Manager"]
    assert SLOWNESS * SYSTEMD_LIMIT <= count_seconds(manager[key]) < 3600


def test_no_unit_of_the_role_is_less_patient() -> None:
    units = [*SYSTEMD.glob("system/**/*.service"), *SYSTEMD.glob("system/**/*.conf")]
    units += (ROLE / "templates").glob("systemd/system/*.service.j2")
    assert len(units) > 8
    for path in units:
        for value in re.findall(r"^Timeout(?:Start)?Sec=(.*)$", path.read_text(), re.MULTILINE):
            assert count_seconds(value) >= SLOWNESS * SYSTEMD_LIMIT, path


def test_programs_of_systemd_that_have_limits_of_their_own_lose_them() -> None:
    service = read_unit(SYSTEMD / "system" / "systemd-.service.d" / "course.conf")["Service"]
    assert service["TimeoutStartSec"] == "infinity"


def test_the_python_environment_is_waited_for_and_a_boot_without_it_fails() -> None:
    lines = [line.split() for line in (ROLE / "templates" / "fstab.j2").read_text().splitlines() if line[:1] != "#"]
    options = {place: text.split(",") for *_, place, _, text, _, _ in lines}
    assert options.keys() == {"/", "/opt/venv"}
    for words in options.values():
        assert "nofail" not in words
        assert not [word for word in words if "timeout" in word], "system.conf.d says how long"


def test_every_boot_entry_starts_again_after_a_panic_and_repairs_its_disk() -> None:
    for arguments in read_kernel_arguments():
        settings = dict(word.partition("=")[::2] for word in arguments)
        assert int(settings["panic"]) > 0, "0 halts, none opens a shell for root"
        assert settings["fsck.repair"] == "yes"
        assert int(settings["udev.event_timeout"]) >= SLOWNESS * UDEV_LIMIT
        assert "rootdelay" not in settings, "each boot would sleep that long"


def test_kernel_for_x86_does_not_check_its_timer() -> None:
    for line in boot_menu("t", disk.LABEL, AMD64.boot).splitlines():
        if line.startswith("    linux "):
            assert "no_timer_check" in line.split(), "a busy host let the kernel panic: IO-APIC + timer doesn't work"


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.name)
def test_trouble_is_told_on_the_serial_line_of_each_architecture(architecture: Architecture) -> None:
    terminal = f"/dev/{architecture.boot.serial.partition(',')[0]}"
    for path in (SYSTEMD / "system" / "emergency.service.d" / "course.conf", ROOT_DISK):
        assert re.search(rf"{terminal}\b", path.read_text()), path


def test_emergency_mode_asks_nobody_for_a_password() -> None:
    text = (SYSTEMD / "system" / "emergency.service.d" / "course.conf").read_text()
    # The empty one takes away Debian's own.
    assert re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE) == [
        "",
        "/usr/local/sbin/course-emergency /dev/tty1 /dev/ttyS0 /dev/ttyAMA0",
    ]
    assert read_unit(SYSTEMD / "system" / "emergency.service.d" / "course.conf")["Service"]["StandardInput"] == "null"


def run_emergency(tmp_path: Path, *, attempts: int, failed: str) -> list[str]:
    """Run it with the terminals tty1 and ttyS0 of `tmp_path` for `attempts`; the programs that it called.

    Waiting and systemctl are stood in: the real ones would take minutes, and this computer with them.
    """
    programs, runtime, calls = tmp_path / "bin", tmp_path / "run", tmp_path / "calls"
    programs.mkdir()
    runtime.mkdir()
    calls.touch()
    stand_ins = {
        "systemctl": f'case $1 in list-units) printf "{failed}";; *) echo systemctl "$@" >>{calls};; esac',
        "sleep": f'[ "$(grep -c sleep {calls})" -lt {attempts} ] && echo sleep "$@" >>{calls} || kill "$PPID"',
    }
    for name, script in stand_ins.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "RUNTIME_DIRECTORY": str(runtime)}
    (tmp_path / "tty1").touch()
    if not (tmp_path / "ttyS0").exists():
        (tmp_path / "ttyS0").touch()
    argv = [EMERGENCY, tmp_path / "tty1", tmp_path / "ttyS0", tmp_path / "ttyAMA0"]
    subprocess.run(argv, env=environment, timeout=HANG, check=False, capture_output=True)
    return calls.read_text().splitlines()


def test_emergency_mode_says_what_to_do_and_never_gives_up(tmp_path: Path) -> None:
    calls = run_emergency(tmp_path, attempts=3, failed="opt-venv.mount loaded failed failed /opt/venv\n")
    again = ["sleep 60", "systemctl --no-block reboot"]
    assert calls == ["sleep 60", "systemctl --no-block default", *again, *again]
    window = (tmp_path / "tty1").read_text()
    assert window == (tmp_path / "ttyS0").read_text()
    assert not (tmp_path / "ttyAMA0").exists(), "no file may appear where another processor has its serial port"
    assert re.search(r"^ *Status +STOPPED: the machine could not start \(opt-venv\.mount\)$", window, re.MULTILINE)
    assert "switch the machine off and on" in window and "import the .ova again" in window


def test_emergency_mode_does_without_a_failed_unit_and_a_serial_port(tmp_path: Path) -> None:
    (tmp_path / "ttyS0").mkdir()  # cannot be written, as a port that is not there
    assert run_emergency(tmp_path, attempts=1, failed="") == ["sleep 60", "systemctl --no-block default"]
    assert "STOPPED: the machine could not start\n" in (tmp_path / "tty1").read_text()


def test_the_initramfs_calls_the_wait_for_the_root_disk(tmp_path: Path) -> None:
    """It skips scripts that are not executable, and asks each for its prerequisites: none is an empty answer."""
    assert os.access(ROOT_DISK, os.X_OK)
    asked = subprocess.run([ROOT_DISK, "prereqs"], capture_output=True, text=True, timeout=HANG, check=True)
    assert asked.stdout == asked.stderr == ""
    (tmp_path / "blkid").write_text("#!/bin/sh\necho /dev/sda4\n")
    (tmp_path / "blkid").chmod(0o755)
    found = subprocess.run(
        [ROOT_DISK, f"LABEL={disk.LABEL}"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=True,
    )
    assert found.stdout == found.stderr == ""
