"""Programs that stand before the real ones in PATH: they hold a stage at a point, count calls, and name the cgroup.

A held program is started for real, and the stage that waits for it never goes on. So a test sees the point, however
busy the machine is, and what is gone after the kill was killed, for it would not have ended by itself.
"""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from docker_clients import declared_client

from practicum.engine import tools

NAMES = ("docker", "mke2fs", "mmdebstrap", "packer", "tar")

SCRIPT = """\
#!/bin/sh
echo "$*" >>{calls}
case {name}-$1-$PROOF_CGROUP in
docker-run-?* | docker-create-?*)
    verb=$1
    shift
    set -- "$verb" "--cgroup-parent=$PROOF_CGROUP" "$@"
    ;;
esac
if {{ read -r part <{held}; }} 2>/dev/null; then
    case $* in
    *"$part"*)
        exec 3<&0
        {real} "$@" <&3 &
        : >{seen}
        exec sleep infinity
        ;;
    esac
fi
exec {real} "$@"
"""


@dataclass(frozen=True)
class HeldPrograms:
    """The folder that comes first in the builds' PATH."""

    folder: Path

    def make(self) -> None:
        """Writes a program for each of NAMES that this machine has; docker is the client that Debian declares."""
        self.folder.mkdir(parents=True)
        for name in NAMES:
            real = declared_client() if name == "docker" else tools.find(name)
            if real:
                files = {"calls": self._calls(name), "held": self._held(name), "seen": self._seen(name)}
                words = {key: shlex.quote(os.fspath(path)) for key, path in {**files, "real": real}.items()}
                (self.folder / name).write_text(SCRIPT.format(name=name, **words))
                (self.folder / name).chmod(0o755)

    def hold(self, name: str, part: str) -> None:
        """Holds the next call of `name` whose arguments contain `part`."""
        self._seen(name).unlink(missing_ok=True)
        self._held(name).write_text(f"{part}\n")

    def is_held(self, name: str) -> bool:
        """Tells whether the call to hold has begun."""
        return self._seen(name).exists()

    def let_go(self) -> None:
        """Holds nothing any more."""
        for path in self.folder.glob(".held-*"):
            path.unlink()

    def list_calls(self, name: str) -> list[str]:
        """Returns the arguments of every call of `name`, oldest first."""
        return self._calls(name).read_text().splitlines() if self._calls(name).exists() else []

    def _calls(self, name: str) -> Path:
        return self.folder / f".calls-{name}"

    def _held(self, name: str) -> Path:
        return self.folder / f".held-{name}"

    def _seen(self, name: str) -> Path:
        return self.folder / f".seen-{name}"
