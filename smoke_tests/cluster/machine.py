"""Machines that share a kernel: each has namespaces, a root, a host name and a network address of its own.

All that a machine runs ends with its first process, and that one with this process; its network goes with it. Nothing
of it is seen on the host. The homes are one folder, as on a cluster.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from smoke_tests.guest import Done
from smoke_tests.waiting import PATIENCE, wait_until

USER, UID = "student", 21000
TOOLS = ("mmdebstrap", "setpriv", "unshare", "chroot", "nsenter", "pivot_root", "ip")
NETWORK, CARD = "10.55.59", "eth0"
NAMESPACES = ("--pid", "--mount", "--uts", "--ipc", "--net")

# Runs as the first process of the namespaces; $1 is the root, $2 the machine's folder, $3 its name, $4 the homes.
# The root is entered by pivot_root: a process in a chroot may not make a namespace for users, which Apptainer and
# rootless Podman need. /proc is still the host's when the process asks for its number.
ENTER = r"""set -e
read -r pid rest </proc/self/stat
mkdir -p "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
cd "$2/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm dev/net
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 fuse:10:229 net/tun:10:200; do
    mknod -m 666 "dev/${device%%:*}" c $(echo "${device#*:}" | tr : ' ')
done
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mount --bind "$4" home
echo "$3" >/proc/sys/kernel/hostname
echo "$pid" >"$2/pid.new"
mv "$2/pid.new" "$2/pid"
pivot_root . mnt
umount -l /mnt
mount --make-rshared /
cd /
trap : CHLD
sleep infinity &
while ! wait $!; do :; done
"""

PREPARE = f"""set -e
chmod 755 /
getent passwd {USER} >/dev/null || useradd --uid {UID} --user-group --no-create-home --shell /bin/bash {USER}
echo {USER}:100000:65536 | tee /etc/subuid >/etc/subgid
mkdir -p /home/{USER} && chown {USER}: /home/{USER}
chmod 1777 /tmp /var/tmp
ip link set lo up
"""


@dataclass(frozen=True)
class Machine:
    """A running machine; `pid` is the host's number of its first process."""

    name: str
    address: str
    pid: int
    process: subprocess.Popen[bytes]

    def command(self, argv: Sequence[str]) -> list[str]:
        """Return the command that runs `argv` in the machine as root."""
        clean = ("env", "-i", "HOME=/root", "USER=root", "LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
        target = (f"--target={self.pid}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd")
        return ["nsenter", *target, "--", *clean, *argv]

    def as_root(self, line: str, *, stdin: str | None = None, timeout: float = PATIENCE) -> Done:
        """Run a line of the shell as root."""
        return self._run(self.command(["bash", "-c", line]), stdin, timeout)

    def as_user(self, line: str, *, timeout: float = PATIENCE) -> Done:
        """Run a line of the shell as the student after a login, in the home."""
        return self._run(self.command(["runuser", "--login", USER, "--command", line]), None, timeout)

    def succeed(self, line: str, *, timeout: float = PATIENCE) -> str:
        """Return what a line prints that the student runs; a failure shows both streams."""
        done = self.as_user(line, timeout=timeout)
        assert done.returncode == 0, f"{self.name}: {line}\n{done.output}"
        return done.stdout

    @contextlib.contextmanager
    def background(self, line: str, log: Path, *, stop: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a line of the student's while the block runs, then the line `stop`; both streams go to `log`."""
        argv = self.command(["runuser", "--login", USER, "--command", line])
        with log.open("wb") as sink:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        try:
            yield process
        finally:
            self.as_user(stop)
            process.wait(PATIENCE)

    def serve(self, argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a service of the system, which ends with the machine."""
        with log.open("wb") as sink:
            return subprocess.Popen(self.command(argv), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)

    def switch_off(self) -> None:
        """End all that runs in the machine at once, as when its power fails."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def _run(self, argv: Sequence[str], stdin: str | None, timeout: float) -> Done:
        given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=timeout, **given)
        return Done(done.returncode, done.stdout, done.stderr)


def boot(root: Path, folder: Path, name: str, number: int, homes: Path) -> Machine:
    """Start a machine; `folder` takes what it writes, `number` is the last one of its address."""
    folder.mkdir(parents=True)
    argv = ["setpriv", "--pdeathsig", "KILL", "unshare", *NAMESPACES, "--fork", "--kill-child"]
    with (folder / "console.log").open("wb") as console:
        process = subprocess.Popen(
            [*argv, "bash", "-c", ENTER, "bash", str(root), str(folder), name, str(homes)],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
        )
    wait_until(lambda: (folder / "pid").exists() or process.poll() is not None, f"{name} starts")
    assert process.poll() is None, (folder / "console.log").read_text()
    pid = int((folder / "pid").read_text())
    machine = Machine(name, f"{NETWORK}.{number}", pid, process)
    wait_until(lambda: machine.as_root("! mountpoint -q /mnt").returncode == 0, f"{name} has its root")
    done = machine.as_root(PREPARE)
    assert done.returncode == 0, done.output
    return machine


def join(machines: Sequence[Machine]) -> None:
    """Connect machines by a switch, which is in the first one, and let them know each other's names."""
    first, *others = machines
    _ip(first, f"link add {CARD} type bridge", f"address add {first.address}/24 dev {CARD}", f"link set {CARD} up")
    hosts = "\n".join(["127.0.0.1 localhost", *(f"{one.address} {one.name}" for one in machines), ""])
    for machine in machines:
        machine.as_root("cat >/etc/hosts", stdin=hosts)
    for machine in others:
        connect(first, machine)


def connect(first: Machine, machine: Machine) -> None:
    """Plug the machine into the first one's switch; the plug of an earlier one of its name goes with that, or soon."""
    wait_until(lambda: first.as_root(f"test -e /sys/class/net/{machine.name}").returncode, "a free plug")
    _ip(first, f"link add {machine.name} type veth peer name {CARD} netns {machine.pid}")
    _ip(first, f"link set {machine.name} master {CARD}", f"link set {machine.name} up")
    _ip(machine, f"address add {machine.address}/24 dev {CARD}", f"link set {CARD} up")


def unplug(first: Machine, machine: Machine) -> None:
    """Pull the machine's plug: the others hear nothing of it any more, not even its end."""
    _ip(first, f"link delete {machine.name}")


def _ip(machine: Machine, *commands: str) -> None:
    """Run the host's `ip` in the machine's network: it knows other machines' processes by the host's number."""
    for command in commands:
        argv = ["nsenter", f"--target={machine.pid}", "--net", "--", "ip", *command.split()]
        done = subprocess.run(argv, capture_output=True, text=True)
        assert done.returncode == 0, f"ip {command}: {done.stderr}"
