"""A real VirtualBox in a private root: it imports appliances without its kernel module (starting one needs the module).

The root is made once from Debian unstable's contrib section and kept in the cache (about 730 MB). Every command runs in
PID and mount namespaces of its own: the bind mounts and VirtualBox's background service end with it, also when it is
killed, and neither is ever seen on the host.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from smoke_tests.guest import Done
from smoke_tests.sid import CONTAINED, prepare_root

# Runs as PID 1 of the namespace; $1 is the root, $2 the home folder, $3 the folder of the appliance.
# /tmp is private because VBoxSVC finds its clients through a socket there: two users of the root would meet.
# The binary is called past Debian's wrapper, which complains about the absent kernel module on each command.
ENTER = """set -e
mount --bind /proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/tmp"
mount --bind "$2" "$1/root"
mount --bind "$3" "$1/mnt"
mount -o remount,bind,ro "$1/mnt"
root=$1
shift 3
set -- HOME=/root USER=root LANG=C.UTF-8 PATH=/usr/bin:/bin /usr/lib/virtualbox/VBoxManage "$@"
exec chroot "$root" /usr/bin/env -i "$@"
"""


def prepare_virtualbox(cache: Path) -> Path:
    """Return the root folder with VirtualBox under `cache`; raise `Unavailable`."""
    return prepare_root(cache / "virtualbox", ["virtualbox"], components="main,contrib")


@dataclass(frozen=True)
class VBox:
    """VirtualBox with its settings and machines in `home`, which it sees as /root; instances share nothing."""

    root: Path
    home: Path

    def manage(self, *arguments: str, appliances: Path | None = None, timeout: float = 600) -> Done:
        """Run `VBoxManage ARGUMENTS...`; the folder `appliances` is seen as /mnt, read-only."""
        self.home.mkdir(parents=True, exist_ok=True)
        places = (str(self.root), str(self.home), str(appliances or self.home))
        done = subprocess.run(
            [*CONTAINED, "sh", "-c", ENTER, "sh", *places, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def version(self) -> str:
        return self._succeed("--version").stdout.strip()

    def try_import(self, ova: Path, *options: str) -> Done:
        """`VBoxManage import OVA OPTIONS...`, whatever comes of it."""
        return self.manage("import", f"/mnt/{ova.name}", *options, appliances=ova.resolve().parent)

    def import_ova(self, ova: Path) -> str:
        """Import without a warning and return the name the machine was given; fails with VirtualBox's own words.

        On a busy computer VirtualBox 7.2.22 leaves a disk's end, behind its grains, out of the digest once in some 200
        imports, and refuses a good file. So a wrong digest counts when VirtualBox finds it twice.
        """
        before = self.machines()
        done = self.try_import(ova)
        if "Digest mismatch" in done.output:
            done = self.try_import(ova)
        assert done.returncode == 0, f"VBoxManage import {ova} failed:\n{done.output}"
        assert "warning" not in done.output.lower(), f"VBoxManage import {ova} warns:\n{done.output}"
        (name,) = self.machines() - before
        return name

    def machines(self) -> set[str]:
        return set(re.findall(r'^"(.*)" \{[0-9a-f-]+\}$', self._succeed("list", "vms").stdout, re.MULTILINE))

    def showvminfo(self, name: str) -> dict[str, str]:
        return parse_machine(self._succeed("showvminfo", name, "--machinereadable").stdout)

    def showmediuminfo(self, medium: str) -> dict[str, str]:
        """Medium by UUID or by path as VirtualBox sees it."""
        lines = self._succeed("showmediuminfo", "disk", medium).stdout.splitlines()
        return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines) if value}

    def host_path(self, path: str) -> Path:
        """Where a path that VirtualBox printed lies on the host."""
        return self.home / Path(path).relative_to("/root")

    def unregister(self, name: str) -> None:
        self._succeed("unregistervm", name, "--delete")

    def _succeed(self, *arguments: str) -> Done:
        done = self.manage(*arguments)
        assert done.returncode == 0, f"VBoxManage {' '.join(arguments)} failed:\n{done.output}"
        return done


def parse_machine(text: str) -> dict[str, str]:
    """`showvminfo --machinereadable` as a dict; a quoted value (the description) may span lines."""
    pairs = re.findall(r'^(?:"([^"\n]+)"|([^="\n]+))=(?:"((?:\\"|[^"])*)"|(.*))$', text, re.MULTILINE)
    return {quoted or plain: value.replace('\\"', '"') or bare for quoted, plain, value, bare in pairs}


@contextlib.contextmanager
def open_vbox(root: Path) -> Iterator[VBox]:
    """Return a VirtualBox with an empty home, deleted with everything imported into it at the end."""
    with tempfile.TemporaryDirectory(prefix="practicum-vbox-") as home:
        yield VBox(root, Path(home))
