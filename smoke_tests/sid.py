"""Private roots of Debian unstable, with programs that this machine does not have: made once, and kept in the cache."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

CONTAINED = ("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc")
TOOLS = ("mmdebstrap", "setpriv", "unshare", "chroot")


class Unavailable(Exception):
    """The programs cannot be had on this machine; the message says why."""


def prepare_root(
    home: Path,
    packages: Sequence[str],
    *,
    components: str = "main",
    tools: Sequence[str] = TOOLS,
    timeout: float = 900,
) -> Path:
    """Return the folder `sid` in `home`: a root with `packages`, made on first use (30 s to 4 min).

    components: of Debian's archive, separated by commas. tools: programs that this machine must have.
    Raises `Unavailable`.
    """
    if os.geteuid() != 0:
        raise Unavailable("a private root is made and entered as root; run as root")
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        raise Unavailable(f"missing on this machine: {', '.join(missing)}")
    home.mkdir(parents=True, exist_ok=True)
    root = home / "sid"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.is_dir():
            for left_over in home.glob(".new-*"):
                shutil.rmtree(left_over)
            _make_root(Path(tempfile.mkdtemp(prefix=".new-", dir=home)), root, packages, components, timeout)
    if missing := [name for name in packages if not _has_package(root, name)]:
        raise Unavailable(f"{root} has no {', '.join(missing)}: delete it, and run this again")
    return root


def _has_package(root: Path, name: str) -> bool:
    info = root / "var/lib/dpkg/info"
    return (info / f"{name}.list").exists() or any(info.glob(f"{name}:*.list"))


def _make_root(work: Path, root: Path, packages: Sequence[str], components: str, timeout: float) -> None:
    """Unstable's signature expires within a week, and a mirror may be a few days behind: hence Check-Valid-Until."""
    command = [
        *CONTAINED,
        "mmdebstrap",
        '--aptopt=Acquire::Check-Valid-Until "false"',
        "--variant=apt",
        f"--components={components}",
        f"--include={','.join(packages)}",
        "sid",
        str(work / "root"),
    ]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise Unavailable(f"mmdebstrap could not make the root with {' '.join(packages)}: {last[0]}")
        (work / "root").rename(root)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"mmdebstrap did not make the root with {' '.join(packages)} in {timeout:.0f} s") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
