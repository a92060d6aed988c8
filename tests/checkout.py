"""A copy of everything a build reads, to be changed by a test."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from practicum.architecture import AMD64, ARM64
from practicum.semester import products
from practicum.semester.description import Semester, load

ROOT = Path(__file__).parent.parent
SEMESTER = "2027-spring"
PARTS = (
    *("ansible", "packer", "practicum", "docker", "runtime", "course_content", "smoke_tests"),
    f"semesters/{SEMESTER}",
)


@dataclass(frozen=True)
class Checkout:
    """A copy of everything a build reads, the modules of practicum/ among it."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "semesters" / SEMESTER

    def load(self) -> Semester:
        return load(self.folder)

    def keys(self) -> dict[str, str]:
        return {stage.name: stage.key for stage in products.list_all(self.load())}

    def replace(self, before: str, after: str, file: str = f"semesters/{SEMESTER}/semester.toml") -> None:
        path = self.root / file
        text = path.read_text()
        assert text.count(before) == 1, f"{file} has {text.count(before)} times {before!r}"
        path.write_text(text.replace(before, after))

    def describe_both(self) -> None:
        """Makes the semester one for both architectures, with locks for the other that hold the same packages."""
        file = self.folder / "semester.toml"
        file.write_text(f'architectures = ["amd64", "arm64"]\n{file.read_text()}')
        for lock in [*self.folder.glob("*.lock")]:
            other = lock.with_stem(f"{lock.stem}{ARM64.suffix}")
            other.write_text(lock.read_text().replace(f" {AMD64.machine}-", f" {ARM64.machine}-"))

    def copy(self, target: Path) -> "Checkout":
        """Copies it by cp, which takes half of what Python takes for the same files."""
        subprocess.run(["cp", "--recursive", "--preserve=mode,links", self.root, target], check=True)
        return Checkout(target)

    def touch(self, file: str) -> None:
        """Adds a comment, or whatever the last line of the file makes of it."""
        path = self.root / file
        path.write_bytes(path.read_bytes() + b"# changed\n")


def copy_checkout(target: Path) -> Checkout:
    """Copies what git knows and what is about to be committed, without what programs left."""
    checkout = Checkout(target)
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for name in PARTS:
        shutil.copytree(ROOT / name, checkout.root / name, ignore=ignored)
    (checkout.folder / "debian.lock").write_text("bash=5.2\n")
    return checkout
