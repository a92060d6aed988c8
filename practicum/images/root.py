"""A minimal Debian as a docker image, made by mmdebstrap."""

import os
import re
from pathlib import Path

from practicum.engine.progress import Console
from practicum.engine.run import run
from practicum.images.debs import RELEASED, mirror_line

PACKAGES = ("ca-certificates", "python3", "python3-apt")
"""What Ansible and its apt module need to start work in a container, and the network to be trusted."""

SOURCES = "/etc/apt/sources.list"

PRIORITIES = "priorities.txt"
"""What the archive says of each package, name=priority. The package itself may say otherwise, and mmdebstrap installs
those whose priority is required."""

_DESCRIBE = 'dpkg-query --show --showformat="\\${Package}\\n" | xargs apt-cache show --no-all-versions'


def mmdebstrap_argv(suite: str, trim: Path, out: Path, given: Path | None = None) -> list[str]:
    """Return the command that writes the root to base.tar, in the folder `out`, and the packages to debs/.

    given: a folder with the packages and apt's index of them, which then has a sources.list for the root, too. Without
    it no mirror is named: mmdebstrap takes Debian's own, with updates and security, and their list comes out, too.
    """
    list_of_sources = out / "sources.list"
    hook = f"upload {list_of_sources} {SOURCES}" if given else f"download {SOURCES} {list_of_sources}"
    return [
        "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}",
        f"--dpkgopt={os.fspath(trim)}", "--skip=essential/unlink", f"--customize-hook={hook}",
        f"--customize-hook=sync-out /var/cache/apt/archives {out / 'debs'}",
        f"--customize-hook=chroot \"$1\" sh -c '{_DESCRIBE}' >'{out / 'described'}'",
        suite, os.fspath(out / "base.tar"), *([mirror_line(given, "copy")] if given else []),
    ]  # fmt: skip


def make_root(
    suite: str, trim: Path, tag: str, out: Path, epoch: int, console: Console, given: Path | None = None
) -> None:
    """Make the image `tag`, no file of which is younger than `epoch`; leave its packages and the list of their sources.

    given: as of mmdebstrap_argv.
    """
    log = out / "base.log"
    (out / "debs").mkdir()
    if given:
        (out / "sources.list").write_text((given / RELEASED).read_text())
    # The root grows where the next build sweeps: a killed mmdebstrap leaves it behind.
    run(
        mmdebstrap_argv(suite, trim, out, given), step="base", log=log, tmp=out, on_line=console.say,
        env={"SOURCE_DATE_EPOCH": str(epoch)},
    )  # fmt: skip
    run(["docker", "import", os.fspath(out / "base.tar"), tag], step="base", log=log)
    (out / "base.tar").unlink()
    priorities = find_priorities((out / "described").read_text())
    (out / PRIORITIES).write_text("".join(f"{name}={priority}\n" for name, priority in sorted(priorities.items())))
    (out / "described").unlink()


def find_priorities(described: str) -> dict[str, str]:
    """Return the priority of each package, by what `apt-cache show` printed."""
    return dict(re.findall(r"(?ms)^Package: (\S+)$.*?^Priority: (\S+)$", described))
