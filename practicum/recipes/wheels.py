"""The layers of Python packages, one for each group of wheels."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from practicum.engine import cache
from practicum.engine.progress import Console
from practicum.engine.publish import write_text
from practicum.engine.stage import Place, Tree
from practicum.images.docker import ask_image, remove_image
from practicum.images.native import graft
from practicum.images.packer import Play, Step, build_image, lent_uv
from practicum.images.stage import GB, ImageStage
from practicum.wheels import wheelhouse
from practicum.wheels.lockfile import LockedPackage

FREEZE = ("/opt/venv/bin/python", "-m", "pip", "freeze", "--all")
CHECK = ("/opt/venv/bin/python", "-m", "pip", "check")
TORCH = (
    "/opt/venv/bin/python", "-c",
    "import json, mmap, re, runpy\n"
    "from importlib.util import find_spec\n"
    "from pathlib import Path\n"
    "says = {'torch': None, 'cuda': None, 'architectures': []}\n"
    "if torch := find_spec('torch'):\n"
    "    folder = Path(torch.origin).parent\n"
    "    version = runpy.run_path(str(folder / 'version.py'))\n"
    "    says |= {'torch': version['__version__'], 'cuda': version['cuda']}\n"
    "    if says['cuda']:\n"
    "        with (folder / 'lib/libtorch_python.so').open('rb') as file:\n"
    "            library = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)\n"
    "            flags = re.search(rb'\\0((?:(?:sm|compute)_[0-9]+[af]? ?)+)\\0', library)\n"
    "            says['architectures'] = flags[1].decode().split()\n"
    "print(json.dumps(says))\n",
)  # fmt: skip
"""What a product knows of its torch without importing it: written to /etc/course/torch.json.

The GPU architectures are the text that torch.cuda.get_arch_list() splits. Nothing is imported here either: the torch
with CUDA for ARM does not start in an emulator (QEMU 7.2).
"""


@dataclass(frozen=True)
class Wheels(ImageStage):
    """A group of wheels, compiled.

    group: the name of the layer. packages: those of the lock that it installs. lock: the whole lock, from which all
    wheels are fetched at once. trim: which files are left out. native: the system of the machine's own architecture,
    where wheels for another one are installed; None where that is its own. platform: of the wheels, in uv's words.
    """

    outputs: ClassVar[tuple[str, ...]] = ("python.txt",)
    space: ClassVar = 3 * GB  # the largest, of CUDA, takes up to 5, and the sum over the groups is enough

    before: ImageStage
    group: str
    packages: tuple[LockedPackage, ...]
    lock: Place
    trim: Tree
    play: Play
    native: ImageStage | None = None
    platform: str = ""

    @property
    def title(self) -> str:
        return self.group

    def build(self, out: Path, console: Console) -> None:
        console.say("collecting the wheels")
        house = wheelhouse.prepare(self.lock.path, cache.root(), console)
        lists = out / "lists"
        lists.mkdir()
        write_text(lists / "requirements.txt", house.select(package.name for package in self.packages))
        write_text(lists / "trim.txt", self.trim.path.read_text())
        with lent_uv(out) as program:
            self.install({"bin": program, "lists": lists, "wheels": house.folder}, out, console)
        write_text(out / "python.txt", ask_image(self.image, {"freeze": FREEZE}, out)["freeze"])
        if any(package.name == "torchvision" for package in self.packages):
            for note in house.notes:  # of its repacking
                console.say(note)

    def install(self, mounts: Mapping[str, Path], out: Path, console: Console) -> None:
        """Make the image; for another architecture, from the layer that its wheels are in this machine's system."""
        if not self.native:
            build_image(Step(self.play, self.before.image, self.image, {}, mounts), out, console)
            return
        carrier = f"practicum-carrier:{self.key[:16]}"
        try:
            step = Step(self.play, self.native.image, carrier, {"python_platform": self.platform}, mounts)
            build_image(step, out, console)
            console.say("adding the layer to the other architecture's")
            graft(carrier, self.before.image, self.image, out)
        finally:
            remove_image(carrier)


@dataclass(frozen=True)
class LastWheels(Wheels):
    """The last group of a product's wheels; `pip check`, and what torch says of itself."""

    outputs: ClassVar[tuple[str, ...]] = ("python.txt", "check.txt", "torch.json")

    def build(self, out: Path, console: Console) -> None:
        super().build(out, console)
        for file, text in ask_image(self.image, {"check.txt": CHECK, "torch.json": TORCH}, out).items():
            write_text(out / file, text)
