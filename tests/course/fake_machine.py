"""A course machine in a temporary folder, whose programs are played by Python."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from course_runtime.machine import firstboot
from course_runtime.machine.atomic import fsync_path
from course_runtime.machine.machine import Account, Course, Finished, Machine, load_course, run_checked
from packages import PYTHONPATH

COURSE = {
    "code": "EE-559",
    "title": "Deep Learning",
    "institution": "EPFL",
    "semester": "2027-spring",
    "name": "ee559-2027-spring",
    "slug": "ee559",
    "user": "student",
    "access": "code",
    "jupyter_port": 8888,
    "ssh_port": 2022,
    "product": "appliance",
    "version": "2027.1",
}

KEYMAP = "etc/console-setup/cached_UTF-8_del.kmap.gz"


@dataclass
class FakeSystem:
    """Programs of a machine below `root`, and what was asked of them."""

    root: Path
    asked: list[list[str]] = field(default_factory=list)
    unit: dict[str, str] = field(default_factory=lambda: {"ActiveState": "active", "Job": "0", "NRestarts": "0"})
    answers: dict[str, Finished] = field(default_factory=dict)
    passwords: list[str] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 30) -> Finished:
        self.asked.append([*argv])
        if argv[0] in self.answers:
            return self.answers[argv[0]]
        play: Callable[[Sequence[str], str], str] = {
            "chpasswd": self.chpasswd,
            "setupcon": self.setupcon,
            "ssh-keygen": self.ssh_keygen,
            "systemctl": self.systemctl,
        }.get(argv[0], lambda argv, stdin: "")
        return Finished(0, play(argv, stdin))

    def chpasswd(self, argv: Sequence[str], stdin: str) -> str:
        """Like the real one: another salt each time, replaced by a rename after an fsync."""
        user, password = stdin.rstrip("\n").split(":")
        self.passwords.append(password)
        self.write_shadow(user, f"$y${os.urandom(4).hex()}${hashlib.sha256(password.encode()).hexdigest()}")
        return ""

    def write_shadow(self, user: str, password_field: str) -> None:
        beside = self.root / "etc/nshadow"
        with beside.open("w") as file:
            file.write(f"root:!*:19000:0:99999:7:::\n{user}:{password_field}:19000:0:99999:7:::\n")
            file.flush()
            os.fsync(file.fileno())
        os.rename(beside, self.root / "etc/shadow")  # noqa: PTH104  (os.replace is what the tests cut)

    def password_is(self, password: str) -> bool:
        return hashlib.sha256(password.encode()).hexdigest() in (self.root / "etc/shadow").read_text()

    def ssh_keygen(self, argv: Sequence[str], stdin: str) -> str:
        """Writes over no private key, makes both halves, and does not fsync."""
        key = Path(argv[argv.index("-f") + 1])
        assert not key.exists(), "ssh-keygen would ask"
        key.write_text(
            f"-----BEGIN OPENSSH PRIVATE KEY-----\n{os.urandom(8).hex()}\n-----END OPENSSH PRIVATE KEY-----\n"
        )
        key.with_suffix(".pub").write_text("ssh-ed25519 c2VjcmV0ed25 root@host\n")
        return ""

    def setupcon(self, argv: Sequence[str], stdin: str) -> str:
        """Keeps a keymap that is newer than its settings, whatever is in it, and does not fsync."""
        settings, keymap = self.root / "etc/default/keyboard", self.root / KEYMAP
        if not keymap.exists() or settings.stat().st_mtime_ns >= keymap.stat().st_mtime_ns:
            keymap.unlink(missing_ok=True)
            keymap.write_text(settings.read_text())
        return ""

    def systemctl(self, argv: Sequence[str], stdin: str) -> str:
        return "".join(f"{name}={value}\n" for name, value in self.unit.items()) if "show" in argv else ""


@dataclass
class Fixture:
    """A machine in a folder, what plays its programs, and its description."""

    machine: Machine
    system: FakeSystem
    course: Course
    home: Path

    def path(self, absolute: str) -> Path:
        return self.machine.path(absolute)


def make_machine(root: Path, **changes: object) -> Fixture:
    """A freshly installed machine below `root`: no code, a locked password, no host keys."""
    for folder in ("etc/course", "etc/ssh", "run", "var/lib", "home/student"):
        (root / folder).mkdir(parents=True)
    (root / "etc/course/course.json").write_text(json.dumps({**COURSE, **changes}))
    system = FakeSystem(root)
    system.write_shadow("student", "!")
    home = root / "home/student"
    account = Account(os.getuid(), os.getgid(), home)
    machine = Machine(
        root=root,
        superuser=os.getuid(),
        superuser_group=os.getgid(),
        run=system.run,
        account=lambda user: account,
        probe=lambda port, path: (200, '{"version": "2.21.1"}'),
        addresses=lambda: ["10.0.2.15"],
    )
    return Fixture(machine, system, load_course(machine), home)


def run_python(code: str) -> str:
    """What `code` prints in a Python of its own that finds the commands' packages."""
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
    argv = [sys.executable, "-c", code]
    return subprocess.run(argv, text=True, capture_output=True, check=True, env=environment).stdout


def make_host_key(machine: Machine) -> None:
    """Do what course-hostkey.service does."""
    key = machine.path(firstboot.HOST_KEY)
    if not key.exists():
        run_checked(machine, ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
        for path in (key, key.with_suffix(".pub"), key.parent):
            fsync_path(path)


def write_content(folder: Path) -> Path:
    """The course's content, one page of it, in the new `folder`."""
    folder.mkdir()
    (folder / "index.md").write_text("welcome\n")
    digest = hashlib.sha256(b"welcome\n").hexdigest()
    (folder / "manifest.json").write_text(json.dumps({"version": 1, "files": {"index.md": digest}}))
    return folder
