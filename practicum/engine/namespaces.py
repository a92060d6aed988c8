"""Linux namespaces: a program in one ends with this process, has mounts of its own, or has no network.

The kernel ends a whole PID namespace, daemons and mounts included, when its first process ends; and that one is killed
when this process dies, even by SIGKILL.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from practicum.engine.errors import PracticumError
from practicum.engine.tools import require

ALONE = "PRACTICUM_WITHOUT_NETWORK"
"""Environment variable with the id of the process that has left the network."""

# Starts as the namespace's first process. Its standard input is a pipe held open by the Python process: at end of file
# that process died before both death signals were armed, so nothing may start. The program itself is not the first
# process, because the kernel would then ignore a SIGTERM it has no handler for. What bash itself says of the program's
# end ("Terminated") goes nowhere.
_GUARDED_CHILD = 'read -t 0 && exit 137; exec 3>&2 2>/dev/null; "$@" 2>&3 3>&- <"$0"; exit $?'
_GUARDED_EXEC = 'read -t 0 && exit 137; exec "$@" <"$0"'

TMP = Path("/run/practicum-tmp")
"""Where a contained program sees the folder it is given as TMPDIR: short and open to every user, wherever the cache is.

The path of a socket has at most 107 bytes, and Packer makes some in TMPDIR; below a folder that only root may enter,
apt gives up its sandbox.
"""
_WITH_TMP = 'mkdir -p "$0" && mount --bind "$1" "$0" && shift && TMPDIR="$0" exec "$@"'


def contained(argv: Sequence[str]) -> list[str]:
    """Return `argv` in a PID and mount namespace of its own that dies with the calling thread (needs root)."""
    unshare = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
    return ["setpriv", "--pdeathsig", "KILL", *unshare, *argv]


def guarded(argv: Sequence[str], *, contain: bool = True, stdin: Path = Path(os.devnull)) -> list[str]:
    """Return the full command for `argv`; its own standard input must be the read end of a pipe held by the caller."""
    if contain:
        return contained(["bash", "-c", _GUARDED_CHILD, os.fspath(stdin), *argv])
    return ["setpriv", "--pdeathsig", "KILL", "bash", "-c", _GUARDED_EXEC, os.fspath(stdin), *argv]


def with_tmp(argv: Sequence[str], folder: Path) -> list[str]:
    """Return `argv` with `folder` mounted on TMP; only for a mount namespace of its own."""
    return ["bash", "-c", _WITH_TMP, os.fspath(TMP), os.fspath(folder), *argv]


def leave_network() -> None:
    """Start this process again in a namespace with no other network than its own loopback; return if it is in one.

    Packer talks to its plugins over the loopback. Raises PracticumError when the process may not make a namespace.
    """
    if os.environ.get(ALONE) == str(os.getpid()):
        return
    require("unshare", "ip")
    if os.geteuid() != 0:
        raise PracticumError("--inputs", "leaving the network needs root", "use sudo")
    argv = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, *sys.orig_argv[1:]]
    os.execvpe(argv[0], argv, {**os.environ, ALONE: str(os.getpid())})
