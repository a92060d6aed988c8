"""The appliance in QEMU on VirtualBox's hardware: PIIX board, AHCI disk, e1000 card on a NAT network, BIOS or UEFI.

Only software emulation is used: a /dev/kvm that exists does not prove that a guest boots with it. QEMU is killed with
the process that started it, the disk of the .ova is never written (each machine writes an overlay), and the serial log
of every power-on stays in the folder of logs.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Self

import httpx
import paramiko
import pytest

from smoke_tests.qmp import Monitor

# Code and variables must be of one pair; the 4 MiB pair is the only one of newer Debian releases.
FIRMWARE = Path("/usr/share/OVMF")
FIRMWARE_PAIRS = (("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"), ("OVMF_CODE.fd", "OVMF_VARS.fd"))

CODE_TIMEOUT = 600  # seconds from power-on, emulated on busy cores; the code is shown before JupyterLab is ready

TERMINAL_CODES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9]|[=>cM78])|\r")
LABELS = ("JupyterLab", "Access code", "ssh", "Keyboard", "Stop", "Status", "Warning", "Host key")
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


def find_firmware() -> tuple[Path, Path] | None:
    """UEFI code and variables of Debian's ovmf package, or None when it is not installed."""
    for code, variables in FIRMWARE_PAIRS:
        if (FIRMWARE / code).exists() and (FIRMWARE / variables).exists():
            return FIRMWARE / code, FIRMWARE / variables
    return None


def pick_ports(count: int) -> list[int]:
    """Free TCP ports of the loopback address, chosen by the kernel; all are held until the last is known."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@dataclass(frozen=True)
class Done:
    """A command that ended in the guest."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


@dataclass
class Machine:
    """One virtual machine with an overlay on `disk` (raw, only read); `with` powers it on and, at the end, off.

    `name` names its logs; `memory_mb` in MiB, as in the description; `user` is the account ssh uses.
    """

    disk: Path
    work: Path
    logs: Path
    name: str
    user: str = "student"
    cpus: int = 2
    memory_mb: int = 4096
    uefi: bool = False
    boots: int = field(default=0, init=False)
    started: float = field(default=0, init=False)
    """Monotonic time of the last power-on."""
    code_after: float | None = field(default=None, init=False)
    """Seconds from power-on to the code on the console, at the boot in which `code` was first asked for."""
    _qemu: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _monitor: Monitor | None = field(default=None, init=False)
    _client: paramiko.SSHClient | None = field(default=None, init=False)
    _code: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        self.http_port, self.ssh_port = pick_ports(2)
        backing = ["-b", str(self.disk.resolve()), "-F", "raw"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(self.overlay)], check=True)
        if self.uefi:
            firmware = find_firmware()
            assert firmware, f"no UEFI firmware in {FIRMWARE}: apt-get install ovmf"
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

    def _command(self, monitor: int) -> list[str]:
        firmware: list[str] = []
        if self.uefi and (pair := find_firmware()):
            firmware += ["-drive", f"if=pflash,format=raw,readonly=on,file={pair[0]}"]
            firmware += ["-drive", f"if=pflash,format=raw,file={self.variables}"]
        forwards = ((self.http_port, 8888), (self.ssh_port, 22))
        network = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{guest}" for host, guest in forwards)
        return [
            *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-vga", "std"),
            *("-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "max", "-rtc", "base=utc"),
            *("-smp", str(self.cpus), "-m", str(self.memory_mb), *firmware),
            *("-device", "ahci,id=sata", "-device", "ide-hd,drive=disk,bus=sata.0"),
            *("-drive", f"if=none,id=disk,format=qcow2,discard=unmap,file={self.overlay}"),
            *("-netdev", f"user,id=nat{network}", "-device", "e1000,netdev=nat"),
            *("-chardev", f"file,id=serial,path={self.log}", "-serial", "chardev:serial"),
            *("-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control"),
        ]

    def power_cut(self) -> None:
        """What a pulled plug does: the guest gets no word of it. Does nothing to a machine that is off."""
        if self._qemu is not None:
            self._qemu.send_signal(signal.SIGKILL)
            self._qemu.wait()
            self._powered_off()

    def wait_poweroff(self, timeout: float) -> float:
        """Seconds until the guest switched the machine off by itself."""
        assert self._qemu is not None
        start = time.monotonic()
        try:
            self._qemu.wait(timeout)
        except subprocess.TimeoutExpired:
            self._fail(f"still on after {timeout:.0f} s")
        self._powered_off()
        return time.monotonic() - start

    def _powered_off(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._monitor is not None:
            self._monitor.close()
        self._qemu = self._monitor = self._client = None

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

    def wait_ready(self, timeout: float, *, since: int = 0) -> None:
        """Wait until the console says that JupyterLab is ready; a STOPPED status fails at once."""
        status = self.wait_serial(r"^ *Status +(ready|STOPPED.*)$", timeout, since=since)[1]
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
            self._code = self.wait_serial(r"^ *Access code +([a-z0-9-]{14})$", CODE_TIMEOUT)[1]
            self.code_after = time.monotonic() - self.started
        return self._code

    def screendump(self, path: Path) -> Path:
        """Save what the machine's screen shows as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._qmp("screendump", filename=str(path.resolve()), format="png")
        return path

    def press(self, *keys: str) -> None:
        """Press keys together, by QEMU's names: `press("ctrl", "alt", "f2")`."""
        self._qmp("send-key", keys=[{"type": "qcode", "data": key} for key in keys])

    def type_text(self, text: str) -> None:
        """Type lower-case text on a US keyboard."""
        for letter in text:
            self.press(*KEYS.get(letter, (letter,)))

    def _qmp(self, command: str, **arguments: object) -> Any:
        assert self._monitor is not None, f"{self.name} is off"
        return self._monitor.execute(command, **arguments)

    # network

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def http(
        self,
        path: str,
        token: str | None = None,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: object = None,
    ) -> httpx.Response:
        """One request on a connection of its own; redirects are not followed."""
        sent = dict(headers or {}) | ({"Authorization": f"token {token}"} if token else {})
        with httpx.Client(base_url=self.url, trust_env=False, timeout=120) as client:
            return client.request(method, path, headers=sent, json=body)

    def ssh(self, user: str | None = None, password: str | None = None) -> paramiko.SSHClient:
        """A new ssh connection, by default as the student; raises paramiko.AuthenticationException when refused."""
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            "127.0.0.1",
            self.ssh_port,
            user or self.user,
            password or self.code,
            allow_agent=False,
            look_for_keys=False,
            timeout=60,
            banner_timeout=120,
            auth_timeout=120,
        )
        return client

    def run(self, command: str, *, stdin: str = "", timeout: float = 120) -> Done:
        """Run a shell command as the student."""
        if self._client is None:
            self._client = self.ssh()
        pipe, out, err = self._client.exec_command(command, timeout=timeout)
        pipe.write(stdin)
        pipe.channel.shutdown_write()
        stdout, stderr = out.read().decode(errors="replace"), err.read().decode(errors="replace")
        return Done(out.channel.recv_exit_status(), stdout, stderr)

    def sudo(self, script: str, *, timeout: float = 120) -> str:
        """Run a shell script as root, with the student's own password; its standard output. Fails when it fails."""
        command = "sudo --stdin --prompt= -- sh -euc " + "'" + script.replace("'", "'\\''") + "'"
        done = self.run(command, stdin=self.code + "\n", timeout=timeout)
        assert done.returncode == 0, f"{self.name}: sudo {script} ended with {done.returncode}:\n{done.output}"
        return done.stdout

    def _fail(self, reason: str) -> NoReturn:
        tail = "\n".join(self.console.splitlines()[-40:])
        pytest.fail(f"{self.name} {reason}. Last lines of {self.log}:\n{tail}", pytrace=False)
