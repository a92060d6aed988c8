"""The Debian packages of a build: kept as files, and taken from files where a build has no network.

<output of a stage>/debs/*.deb            what apt installed in that stage
<output of a stage>/debs.sha256           their digests, in the form that sha256sum reads
<cache>/inputs/<digest>/debs/<stage>/     the same files for a build without a network, with apt's index `Packages`
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from practicum.engine.cache import hash_file
from practicum.engine.publish import write_text

RECORD = "debs.sha256"
RELEASED = "released.list"
"""The list of apt's sources that the root file system of a build without a network gets."""
APT_CONFIG = "apt.conf"


@dataclass(frozen=True)
class DebSource:
    """Where apt takes packages from; in no key, because the packages are the same.

    folder: holds the packages of every stage, in a folder each; None for Debian's mirror.
    """

    folder: Path | None = None

    @property
    def inputs(self) -> dict[str, str]:
        return {}

    def of(self, stage: str) -> Path | None:
        """Return the folder with the packages of `stage`, None for Debian's mirror."""
        return self.folder / stage if self.folder else None


def keep_debs(folder: Path, given: Path | None = None) -> None:
    """Record the packages in `folder`, beside it; where apt took them from `given`, copy them first."""
    for file in given.glob("*.deb") if given else ():
        shutil.copy2(file, folder / file.name)
    for path in folder.iterdir():  # apt leaves a lock and a folder for partial files
        if path.is_dir():
            shutil.rmtree(path)
        elif path.suffix != ".deb":
            path.unlink()
    lines = (f"{hash_file(path)}  {folder.name}/{path.name}\n" for path in sorted(folder.iterdir()))
    write_text(folder.with_name(RECORD), "".join(lines))


def read_record(output: Path) -> dict[str, str]:
    """Return the digests of the packages that the stage with this output installed, by path below it."""
    lines = (line.split("  ", 1) for line in (output / RECORD).read_text().splitlines())
    return {path: digest for digest, path in lines}


def mirror_line(folder: Path, method: str = "file") -> str:
    """Return what apt's sources.list says of a folder with an index. Our own digests vouch for it, not a signature."""
    return f"deb [trusted=yes] {method}://{folder} ./"
