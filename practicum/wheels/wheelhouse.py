"""The wheelhouse: every wheel of a lock in one folder, from which a build container installs without a network.

Wheels are downloaded once into a content-addressed store, `<cache>/wheels`, shared by all checkouts of the machine. A
wheelhouse, `<cache>/wheelhouses/<sha256 of its requirements.txt>`, is a folder of hard links into it. An index of the
files of each lock lies beside them, so an unchanged lock needs no network and no resolver.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

from practicum.engine.cache import hash_file, hold, patient, require_space
from practicum.engine.progress import Console
from practicum.engine.publish import move_folder, write_text
from practicum.wheels import cuda, torchvision
from practicum.wheels.lockfile import LockedPackage, hash_lock, locate
from practicum.wheels.resolver import Wheel
from practicum.wheels.store import find_file, is_whole

REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True)
class Wheelhouse:
    """A folder holding every wheel and `requirements`; `notes` list the wheels that were repacked."""

    folder: Path
    requirements: Path
    notes: tuple[str, ...] = ()

    def select(self, names: Iterable[str]) -> str:
        """Return the lines of `requirements` of the packages called `names` (canonical), to install a part alone."""
        wanted = {*names}
        lines = self.requirements.read_text().splitlines(keepends=True)
        return "".join(line for line in lines if line.partition("==")[0] in wanted)


def prepare(lock: Path, cache: Path, console: Console) -> Wheelhouse:
    """Make the wheelhouse of the Python lock `lock` under `cache`, downloading what is missing.

    `console` shows the bytes. Two calls at once, from any processes, share the work. Raises PracticumError: the lock is
    wrong, the network is down, a wheel is gone or has other bytes, the disk is full.
    """
    houses, store = cache / "wheelhouses", cache / "wheels"
    index = houses / f"{hash_lock(lock)}.json"
    wheels = _read_index(index)
    if not wheels or not all(_is_here(wheel, store) for wheel in wheels):
        wheels = locate(lock)
        _fetch([wheel for wheel in wheels if not _is_here(wheel, store)], store, console)
        # Addresses are not kept: they are this hour's and this machine's.
        write_text(index, json.dumps([asdict(replace(wheel, url="")) for wheel in wheels], indent=1))
    files, notes = _choose_files(wheels, store, cache / "repacked")
    requirements = "".join(f"{package.line}\n" for package in files)
    house = houses / sha256(requirements.encode()).hexdigest()
    with hold(house.with_name(f"{house.name}.lock"), "linking the wheels", wait=patient):
        if not _is_assembled(house, files.values(), requirements):
            _assemble(house, files.values(), requirements)
    return Wheelhouse(house, house / REQUIREMENTS, notes)


def _read_index(index: Path) -> list[Wheel]:
    try:
        return [Wheel(**entry) for entry in json.loads(index.read_text())]
    except (OSError, ValueError, TypeError):  # not made yet, or spoilt: it is made anew
        return []


def _is_here(wheel: Wheel, store: Path) -> bool:
    return is_whole(find_file(store, wheel.sha256, wheel.filename), wheel.sha256)


def _fetch(wheels: Sequence[Wheel], store: Path, console: Console) -> None:
    if not wheels:
        return
    from practicum.wheels.download import fetch_all  # imports httpx, which a build of what is here does without

    total = sum(wheel.size or 0 for wheel in wheels)
    require_space(store, total, f"downloading {len(wheels)} wheels")
    with console.transfer(f"{len(wheels)} wheels", total) as report:
        fetch_all(wheels, store, report=report)


def _choose_files(
    wheels: Sequence[Wheel], store: Path, repacked: Path
) -> tuple[dict[LockedPackage, Path], tuple[str, ...]]:
    """Return the file of each package, and notes: torchvision is repacked if it links CUDA and torch is a CPU build."""
    files, notes = {}, []
    torch = [find_file(store, wheel.sha256, wheel.filename) for wheel in wheels if wheel.name == "torch"]
    cpu_only = any(map(cuda.is_cpu_build, torch))
    for wheel in wheels:
        package = LockedPackage(wheel.name, wheel.version, (wheel.sha256,))
        path = find_file(store, wheel.sha256, wheel.filename)
        if wheel.name == "torchvision" and cpu_only and torchvision.needs_repacking(path):
            path = torchvision.repack_for_cpu(path, repacked / wheel.sha256)
            package = LockedPackage(wheel.name, f"{wheel.version}+{torchvision.LOCAL_VERSION}", (hash_file(path),))
            notes.append(
                f"torchvision {wheel.version} is built for CUDA: repacked as {package.version} without its compiled "
                "operators (detection operators and native image decoding raise an error)"
            )
        files[package] = path
    return files, tuple(notes)


def _is_assembled(house: Path, files: Collection[Path], requirements: str) -> bool:
    try:
        return (
            {path.name for path in house.iterdir()} == {REQUIREMENTS, *(path.name for path in files)}
            and (house / REQUIREMENTS).read_text() == requirements
            and all(_is_same(path, house / path.name) for path in files)
        )
    except OSError:
        return False


def _assemble(house: Path, files: Iterable[Path], requirements: str) -> None:
    """Make `house` hold exactly `files` and requirements.txt, in place of what a person may have spoilt there."""
    fresh = Path(tempfile.mkdtemp(prefix=f".{house.name[:12]}-", dir=house.parent))
    try:
        for path in files:
            _link(path, fresh / path.name)
        (fresh / REQUIREMENTS).write_text(requirements)
        fresh.chmod(0o755)  # the build container reads it, whoever it runs as
        move_folder(fresh, house)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _is_same(path: Path, copy: Path) -> bool:
    ours, theirs = path.stat(), copy.stat()
    return (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)


def _link(path: Path, name: Path) -> None:
    try:
        os.link(path, name)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(path, name)
