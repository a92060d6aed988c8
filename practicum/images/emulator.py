"""Programs of another architecture: the kernel hands them to an emulator that is registered with binfmt_misc.

https://docs.kernel.org/admin-guide/binfmt-misc.html
"""

import os
from pathlib import Path

from practicum.engine.errors import PracticumError
from practicum.engine.tools import require

BINFMT = Path("/proc/sys/fs/binfmt_misc")
CURE = "run as root: make emulator"
TEST = "arch-test"
"""The program by which mmdebstrap finds out whether it can run what it installs."""


def require_emulator(name: str, folder: Path = BINFMT) -> None:
    """Raise PracticumError unless the emulator that is registered as `name` can run programs in containers.

    folder: where binfmt_misc is mounted. A registration outlives the package that made it, and is useless then.
    """
    if not (folder / "status").exists():
        raise PracticumError(name, f"binfmt_misc is not mounted at {folder}", CURE)
    try:
        told = (folder / name).read_text()
    except OSError:
        raise PracticumError(name, "not registered: the kernel does not know how to run its programs", CURE) from None
    facts = dict(line.partition(" ")[::2] for line in told.splitlines())
    if "enabled" not in facts:
        cure = f"switch it on as root: echo 1 >{folder / name}"
        raise PracticumError(name, "registered, but switched off", cure)
    if "F" not in facts.get("flags:", ""):
        reason = "registered without the flag F, so that containers do not find it"
        raise PracticumError(name, reason, f"remove it as root: echo -1 >{folder / name}; then {CURE}")
    if not os.path.exists(interpreter := facts.get("interpreter", "")):  # noqa: PTH110 - "" is no path
        reason = f"registered, but {interpreter} is gone: its package was removed"
        raise PracticumError(name, reason, f"remove it as root: echo -1 >{folder / name}; then {CURE}")
    require(TEST)
