"""A folder of Debian packages becomes a place that apt installs from, without a network."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from practicum.engine.cache import hash_file
from practicum.engine.publish import write_text
from practicum.engine.run import read
from practicum.images.debs import APT_CONFIG, mirror_line, read_record

LONG_AGO = "Thu, 01 Jan 1970 00:00:00 UTC"
"""Date of apt's index: apt wants one, and refuses one that lies ahead."""


def write_index(folder: Path, suite: str, priorities: Mapping[str, str]) -> None:
    """Make `folder` a place that apt installs from: write the index of its packages, and what release they are of.

    suite: Debian's name of the release, by which mmdebstrap chooses the essential packages. priorities: of packages
    that the archive gave another one than their own.
    """
    debs = sorted(folder.glob("*.deb"))
    index = "".join(describe_deb(path, set_priority(read_control(path), priorities)) for path in debs)
    write_text(folder / "Packages", index)
    write_text(folder / "Release", describe_release(suite, index.encode()))


def set_priority(control: str, priorities: Mapping[str, str]) -> str:
    """Return the description of a package with the priority that the archive gave it."""
    name = re.search(r"(?m)^Package: (\S+)$", control)
    priority = priorities.get(name[1]) if name else None
    return re.sub(r"(?m)^Priority: .*$", f"Priority: {priority}", control) if priority else control


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
