"""The appliance in QEMU: on VirtualBox's hardware unless told otherwise, on a NAT network, with BIOS or UEFI.

KVM is used where a guest is seen to run with it (accelerator.py), else the processor is emulated. QEMU is killed with
the process that started it, the disk of the .ova is never written (each machine writes an overlay), and the serial log
of every power-on stays in the folder of logs. A machine can be saved while it runs, and started again from there any
number of times: saved_machine.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Self

import pytest

from practicum.architecture import AMD64, Architecture
from smoke_tests.accelerator import find_accelerator
from smoke_tests.emulator import find_qemu
from smoke_tests.guest import Guest
from smoke_tests.hardware import VIRTUALBOX, Hardware
from smoke_tests.processor import PROCESSORS
from smoke_tests.qmp import Monitor

BOOT_TIMEOUT = 3600
"""Seconds, a net: a boot that makes no progress is noticed before, by `Progress`."""

STALL_SECONDS, STALL_CPU = 60.0, 1.0
"""A machine that starts shows something new, or computes for a second, within a minute, however busy the host is."""

LOST = re.compile(r"root account is locked|STOPPED: the machine could not start")
"""What the console of a machine shows whose boot failed."""

TERMINAL_CODES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9]|[=>cM78])|\r")
LABELS = ("JupyterLab", "Access code", "Link", "Address", "ssh", "Keyboard", "Stop", "Status", "Warning", "Host key")
ISSUE_LINE = re.compile(rf"^[ \t]*({'|'.join(LABELS)})[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)

KEYS = {" ": ("spc",), "-": ("minus",), ".": ("dot",), "/": ("slash",), "_": ("shift", "minus"), "\n": ("ret",)}


def extract_disk(ova: Path, raw: Path) -> Path:
    """Write the disk of `ova` to the sparse file `raw`, read in place by QEMU's own VMDK reader."""
    with tarfile.open(ova) as archive:
        (member,) = [member for member in archive if member.name.endswith(".vmdk")]
    slice_of_ova = {"driver": "raw", "offset": member.offset_data, "size": member.size}
    source = {"driver": "vmdk", "file": slice_of_ova | {"file": {"driver": "file", "filename": str(ova.resolve())}}}
    subprocess.run(["qemu-img", "convert", "-O", "raw", f"json:{json.dumps(source)}", str(raw)], check=True)
    return raw


def pick_ports(count: int) -> list[int]:
    """Free TCP ports of the loopback address, chosen by the kernel; all are held until the last is known."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@dataclass(frozen=True)
class Resume:
    """A running machine's state (saved_machine.py): its memory, its devices, and what its console has shown."""

    memory: Path
    state: Path
    console: Path


@dataclass
class Machine(Guest):
    """One virtual machine with an overlay on `disk` (only read); `with` powers it on and, at the end, off.

    `name` names its logs; `memory_mb` in MiB, as in the description; `user` is the account ssh uses; `hardware` must
    fit `architecture`; `disk_format` is QEMU's name for the format of `disk`. With `resume`, the first power-on goes on
    from a saved state.
    """

    disk: Path
    work: Path
    logs: Path
    name: str
    user: str = "student"
    cpus: int = 2
    memory_mb: int = 4096
    uefi: bool = False
    architecture: Architecture = AMD64
    hardware: Hardware = VIRTUALBOX
    disk_format: str = "raw"
    resume: Resume | None = None
    boots: int = field(default=0, init=False)
    started: float = field(default=0, init=False)
    """Monotonic time of the last power-on."""
    _qemu: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _monitor: Monitor | None = field(default=None, init=False)
    _code: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        self.http_port, self.ssh_port = pick_ports(2)
        backing = ["-b", str(self.disk.resolve()), "-F", self.disk_format]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(self.overlay)], check=True)
        if self.uefi:
            processor = PROCESSORS[self.architecture]
            firmware = processor.find_firmware()
            assert firmware, f"no UEFI firmware in {processor.firmware}: apt-get install {processor.package}"
            self.variables.write_bytes(firmware[1].read_bytes())

    @property
    def overlay(self) -> Path:
        return self.work / f"{self.name}.qcow2"

    @property
    def variables(self) -> Path:
        return self.work / f"{self.name}.fd"

    @property
    def log(self) -> Path:
        """Serial log of the present (or last) power-on."""
        return self.logs / f"{self.name}-boot{self.boots}.serial.log"

    # power

    def __enter__(self) -> Self:
        self.power_on()
        return self

    def __exit__(self, *_: object) -> None:
        self.power_cut()

    def power_on(self) -> None:
        assert self._qemu is None, f"{self.name} is already on"
        self.boots += 1
        self.log.unlink(missing_ok=True)
        if self.resume:
            shutil.copyfile(self.resume.console, self.log)
        ours, theirs = socket.socketpair()
        with theirs, self.log.with_suffix(".qemu").open("wb") as errors:
            self._qemu = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._command(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=[theirs.fileno()],
            )
        self._monitor = Monitor(ours)
        self.started = time.monotonic()
        if self.resume:
            self._go_on(self.resume)
        self.resume = None  # it is of this power-on only

    def _go_on(self, resume: Resume) -> None:
        self.qmp("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])
        self.qmp("migrate-incoming", uri=f"exec:cat {shlex.quote(str(resume.state))}")
        self.wait_migrated()
        self.qmp("cont")

    def wait_migrated(self) -> None:
        """Wait until QEMU has sent or received all of a state; raises RuntimeError when it failed."""
        while (status := self.qmp("query-migrate").get("status")) != "completed":
            if status in ("failed", "cancelled"):
                raise RuntimeError(f"{self.name}: the state of the machine could not be transferred: {status}")
            time.sleep(0.02)

    def _command(self, monitor: int) -> list[str]:
        firmware: list[str] = []
        if self.uefi and (pair := PROCESSORS[self.architecture].find_firmware()):
            firmware += ["-drive", f"if=pflash,format=raw,readonly=on,file={pair[0]}"]
            firmware += ["-drive", f"if=pflash,format=raw,file={self.variables}"]
        forwards = ((self.http_port, 8888), (self.ssh_port, 22))
        network = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{guest}" for host, guest in forwards)
        # A memory of no name dies with QEMU, and can be saved; on the disk's file system a boot costs a fifth more.
        backend = f"mem-path={self.resume.memory},share=off" if self.resume else "share=on"
        kind = "memory-backend-file" if self.resume else "memory-backend-memfd"
        memory = ["-object", f"{kind},id=memory,size={self.memory_mb}M,{backend}"]
        board = f"{self.hardware.board},memory-backend=memory"
        return [
            *(*find_qemu(self.architecture), "-nodefaults", "-no-user-config", "-no-reboot"),
            *("-display", "none", "-machine", board, *find_accelerator(self.architecture), "-rtc", "base=utc"),
            *("-smp", str(self.cpus), "-m", str(self.memory_mb), *memory, *firmware),
            *("-drive", f"if=none,id=disk,format=qcow2,discard=unmap,file={self.overlay}"),
            *("-netdev", f"user,id=nat{network}", *self.hardware.devices),
            *("-chardev", f"file,id=serial,path={self.log},append=on", "-serial", "chardev:serial"),
            *("-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control"),
            *(("-incoming", "defer") if self.resume else ()),
        ]

    @property
    def pid(self) -> int:
        """The process id of QEMU."""
        assert self._qemu is not None, f"{self.name} is off"
        return self._qemu.pid

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds, user and system, that QEMU has spent since the last power-on."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime of proc(5)

    def save_memory(self, target: Path) -> None:
        """Write the memory of a machine that was powered on to the sparse file `target`."""
        files = Path(f"/proc/{self.pid}/fd").iterdir()
        (memory,) = (file for file in files if str(file.readlink()).startswith("/memfd:memory-backend"))
        subprocess.run(["cp", "--sparse=always", str(memory), str(target)], check=True)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """No time passes for the machine, and its disk is as a power cut at this moment would leave it."""
        assert self._qemu is not None, f"{self.name} is off"
        self._qemu.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._qemu.send_signal(signal.SIGCONT)

    def power_cut(self) -> None:
        """Return what a pulled plug does: the guest gets no word of it. Does nothing to a machine that is off."""
        if self._qemu is not None:
            self._qemu.send_signal(signal.SIGKILL)
            self._qemu.wait()
            self._powered_off()

    def wait_poweroff(self, timeout: float) -> float:
        """Wait until the guest switched the machine off; QEMU's CPU seconds since the power-on."""
        assert self._qemu is not None
        deadline = time.monotonic() + timeout
        # The process is left as a zombie until its CPU time was read.
        while os.waitid(os.P_PID, self._qemu.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            if time.monotonic() > deadline:
                self._fail(f"still on after {timeout:.0f} s")
            time.sleep(0.1)
        spent = self.cpu_seconds
        self._qemu.wait()
        self._powered_off()
        return spent

    def _powered_off(self) -> None:
        self.hang_up()
        if self._monitor is not None:
            self._monitor.close()
        self._qemu = self._monitor = None

    # console

    @property
    def console(self) -> str:
        """Everything the serial console showed since power-on, without terminal control codes."""
        return TERMINAL_CODES.sub("", self.log.read_text(errors="replace")) if self.log.exists() else ""

    def wait_serial(self, pattern: str, timeout: float, *, since: int = 0) -> re.Match[str]:
        """First match (multi-line) in `console` after its first `since` characters; fails with the last 40 lines."""
        deadline = time.monotonic() + timeout
        while True:
            ended = self._qemu is None or self._qemu.poll() is not None
            if match := re.compile(pattern, re.MULTILINE).search(self.console, since):
                return match
            if ended:
                self._fail(f"went off before its console showed {pattern!r}")
            if time.monotonic() > deadline:
                self._fail(f"did not show {pattern!r} on its console within {timeout:.0f} s")
            time.sleep(0.2)

    def wait_boot(self, pattern: str, timeout: float = BOOT_TIMEOUT) -> re.Match[str]:
        """First match in what the console shows of a boot, however long that takes.

        Fails when the console says that the boot failed, or when the machine neither shows nor computes anything.
        """
        deadline = time.monotonic() + timeout
        progress = Progress(self)
        while True:
            ended = self._qemu is None or self._qemu.poll() is not None
            if match := re.compile(pattern, re.MULTILINE).search(self.console):
                return match
            if ended:
                self._fail(f"went off before its console showed {pattern!r}")
            if lost := LOST.search(self.console):
                self._fail(f"failed to boot: {lost[0]!r}")
            if progress.has_stalled():
                self._fail(f"stalled before its console showed {pattern!r}")
            if time.monotonic() > deadline:
                self._fail(f"did not show {pattern!r} on its console within {timeout:.0f} s")
            time.sleep(0.2)

    def wait_ready(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Wait until the console says that JupyterLab is ready; a STOPPED status fails at once."""
        status = self.wait_boot(r"^ *Status +(ready|STOPPED.*)$", timeout)[1]
        if status != "ready":
            self._fail(f"says on its console: {status}")

    @property
    def issue(self) -> dict[str, str]:
        """The newest value the console showed of each label."""
        return dict(ISSUE_LINE.findall(self.console))

    @property
    def code(self) -> str:
        """The access code, as a student reads it off the console."""
        if self._code is None:
            self._code = self.wait_boot(r"^ *Access code +([a-z0-9-]{14})$")[1]
        return self._code

    def screendump(self, path: Path) -> Path:
        """Save what the machine's screen shows as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.qmp("screendump", filename=str(path.resolve()), format="png")
        return path

    def press(self, *keys: str) -> None:
        """Press keys together, by QEMU's names: `press("ctrl", "alt", "f2")`."""
        self.qmp("send-key", keys=[{"type": "qcode", "data": key} for key in keys])

    def type_text(self, text: str) -> None:
        """Type lower-case text on a US keyboard."""
        for letter in text:
            self.press(*KEYS.get(letter, (letter,)))

    def qmp(self, command: str, **arguments: object) -> Any:
        """One command of QEMU's machine protocol, and its return value."""
        assert self._monitor is not None, f"{self.name} is off"
        return self._monitor.execute(command, **arguments)

    def _fail(self, reason: str) -> NoReturn:
        tail = "\n".join(self.console.splitlines()[-40:])
        pytest.fail(f"{self.name} {reason}. Last lines of {self.log}:\n{tail}", pytrace=False)


class Progress:
    """Notices that a machine neither shows nor computes anything any more."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._last = self._look()

    def _look(self) -> tuple[float, int, float]:
        size = self._machine.log.stat().st_size if self._machine.log.exists() else 0
        return time.monotonic(), size, self._machine.cpu_seconds

    def has_stalled(self) -> bool:
        moment, size, cpu = self._look()
        if size > self._last[1] or cpu >= self._last[2] + STALL_CPU:
            self._last = moment, size, cpu
        return moment > self._last[0] + STALL_SECONDS
