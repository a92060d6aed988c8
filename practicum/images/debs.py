"""The Debian packages of a build: kept as files, and taken from files where a build has no network.

<output of a stage>/debs/*.deb            what apt installed in that stage
<output of a stage>/debs.sha256           their digests, in the form that sha256sum reads
<cache>/inputs/<digest>/debs/<stage>/     the same files for a build without a network, with apt's index `Packages`
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from practicum.engine.cache import hash_file
from practicum.engine.publish import write_text
from practicum.engine.run import read

LONG_AGO = "Thu, 01 Jan 1970 00:00:00 UTC"
"""Date of apt's index: apt wants one, and refuses one that lies ahead."""

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


def write_index(folder: Path, suite: str) -> None:
    """Make `folder` a place that apt installs from: write the index of its packages, and what release they are of.

    suite: Debian's name of the release, by which mmdebstrap chooses the essential packages.
    """
    debs = sorted(folder.glob("*.deb"))
    index = "".join(describe_deb(path, read_control(path)) for path in debs)
    write_text(folder / "Packages", index)
    write_text(folder / "Release", describe_release(suite, index.encode()))


def describe_release(suite: str, index: bytes) -> str:
    """Return the file that says which release the packages of an index are of."""
    digest = hashlib.sha256(index).hexdigest()
    return f"Suite: {suite}\nCodename: {suite}\nDate: {LONG_AGO}\nSHA256:\n {digest} {len(index)} Packages\n"


def describe_deb(path: Path, control: str) -> str:
    """Return the paragraph of a package in apt's index. control: the package's own description of itself."""
    told = {"Filename": f"./{path.name}", "Size": path.stat().st_size, "SHA256": hash_file(path)}
    return control.rstrip("\n") + "\n" + "".join(f"{key}: {value}\n" for key, value in told.items()) + "\n"


def read_control(path: Path) -> str:
    return read(["dpkg-deb", "--field", os.fspath(path)], step="inputs")


def mirror_line(folder: Path, method: str = "file") -> str:
    """Return what apt's sources.list says of a folder with an index. Our own digests vouch for it, not a signature."""
    return f"deb [trusted=yes] {method}://{folder} ./"


def write_apt_config(folder: Path, place: Path) -> None:
    """Write settings that make apt take packages from nowhere else than `folder`, which a container sees at `place`."""
    write_text(folder / "sources.list", mirror_line(place) + "\n")
    settings = f'Dir::Etc::SourceList "{place}/sources.list";\nDir::Etc::SourceParts "/dev/null";\n'
    write_text(folder / APT_CONFIG, settings)


def list_debs(outputs: Mapping[str, Path]) -> Iterable[tuple[str, str, Path]]:
    """Yield (path below debs/, digest, file) of each package of the stages whose outputs are given by name."""
    for stage, output in outputs.items():
        for path, digest in read_record(output).items():
            yield f"{stage}/{Path(path).name}", digest, output / path
