"""One build of a product, an `.ova` or an OCI archive, as the tar file that it is."""

import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from practicum.engine.errors import PracticumError
from practicum.release.entries import Entry, describe_member


@dataclass(frozen=True)
class Build:
    """The path of a build, and its members by name."""

    path: Path
    members: Mapping[str, tarfile.TarInfo]

    @property
    def kind(self) -> str:
        if "index.json" in self.members:
            return "an OCI archive"
        return "an .ova" if any(name.endswith(".ovf") for name in self.members) else ""

    def list_headers(self) -> dict[str, Entry]:
        """Return what the members' headers say; their contents do not count."""
        return {name: describe_member(member) for name, member in self.members.items()}

    def read(self, name: str) -> bytes:
        """Return a small member; raises PracticumError when there is none."""
        if name not in self.members:
            raise PracticumError(str(self.path), f"holds no {name}", "build it again")
        member = self.members[name]
        with self.path.open("rb") as file:
            return os.pread(file.fileno(), member.size, member.offset_data)


def open_build(path: Path) -> Build:
    """Read which members a build has; raises PracticumError when it is of neither kind."""
    cure = "give two .ova files or two .oci.tar files"
    if not path.is_file():
        raise PracticumError(str(path), "no such file", cure)
    try:
        with tarfile.open(path, "r:") as archive:
            found = Build(path, {member.name: member for member in archive})
    except tarfile.TarError as error:
        raise PracticumError(str(path), f"is no tar file ({error})", cure) from error
    if not found.kind:
        raise PracticumError(str(path), "holds neither an .ovf nor an index.json", cure)
    return found
