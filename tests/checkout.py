"""A copy of everything a build reads, to be changed by a test."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from practicum.architecture import ARM64
from practicum.semester import products
from practicum.semester.description import Semester, load
from practicum.semester.find import list_semesters
from practicum.semester.locks import list_debian_packages, place_debian_lock
from practicum.wheels.debian_lock import Packages, render_debian

ROOT = Path(__file__).parent.parent
SEMESTER = list_semesters(ROOT)[-1]
PARTS = (
    *("ansible", "packer", "practicum", "docker", "runtime", "course_content", "smoke_tests", "docs"),
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
        """Makes the semester the one for both architectures that it is in the repository."""
        for file in (ROOT / "semesters" / SEMESTER).iterdir():
            shutil.copy(file, self.folder)
        self.record_bash()

    def describe_first(self) -> None:
        """Makes the semester one for AMD64 alone: what a change runs again is the same for each architecture."""
        file = self.folder / "semester.toml"
        text = re.sub(r"^architectures = .*\n", "", file.read_text(), flags=re.MULTILINE)
        file.write_text(re.sub(r"^\[python\.arm64\](.|\n)*?^\[", "[", text, flags=re.MULTILINE))
        for lock in self.folder.glob(f"*{ARM64.suffix}.lock"):
            lock.unlink()
        self.record_bash()

    def record_bash(self) -> None:
        """Makes every lock of Debian's packages a short one: what the description asks for, and bash."""
        semester = self.load()
        for one in semester.built_for:
            packages = dict.fromkeys(list_debian_packages(semester, one), "1") | {"bash": "5.2"}
            place_debian_lock(semester, one).write_text(render_debian(Packages({"bash": ""}, packages), semester.id))

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
    checkout.describe_first()
    return checkout
