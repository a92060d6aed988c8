"""The last layer of a product: the students' commands and the content."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from practicum.course import notebooks
from practicum.course.commands import build_wheels, list_commands, list_packages
from practicum.course.content import assemble, list_shown, make_folder, write_file
from practicum.course.executed import Executed, find_executed
from practicum.course.site.documents import Documents, list_documents
from practicum.course.site.facts import read_facts
from practicum.course.site.generator import RECIPE, write_site
from practicum.course.site.overview import make_site
from practicum.course.solutions import Solutions
from practicum.engine.progress import Console
from practicum.engine.stage import Tree
from practicum.images.native import Task, run_task
from practicum.images.packer import MOUNT, Play, Step, build_image, lent_uv
from practicum.images.stage import ImageStage

LIB = "/opt/course/lib"
"""Where the products have the students' commands."""

THEME = "practicum/course/site/templates"
"""What the course's page looks like, a folder of the checkout."""

__all__ = ["LIB", "THEME", "Course", "Executed", "find_executed", "list_documents"]


@dataclass(frozen=True)
class Course(ImageStage):
    """The content, read-only, the students' commands, the suite of `course-verify`, and the course's page.

    product: "appliance", "cpu" or "cuda". variables: of the roles. include, solutions: as in the description. versions:
    of the Python packages of the stages below, which the landing page shows. release: which content this is, as
    `assemble` takes it. signers: lines of the file of allowed signers, one of which must sign a content release.
    verify: the suite of `course-verify`, None where there is no torch.
    facts, documents, theme: what the course's page says of the semester, the pages of docs/ that it has, and its looks.
    run: the lectures, which the page shows with their outputs as far as they were run before.
    settings: of a container image, in Dockerfile words. converter, generator: what makes the notebooks and the page,
    with its version. native:
    the system of the machine's own architecture, where the commands for another one are installed; None where that is
    its own.
    """

    outputs: ClassVar = ("course.log",)

    before: ImageStage
    product: str
    variables: Mapping[str, Any]
    release: Mapping[str, str | int]
    signers: tuple[str, ...]
    content: Tree
    runtime: Tree
    include: tuple[str, ...]
    solutions: Solutions
    versions: Mapping[str, str]
    verify: Tree | None
    facts: Mapping[str, Any]
    run: Executed
    documents: Documents
    theme: Tree
    settings: tuple[str, ...]
    play: Play
    converter: str = notebooks.RECIPE
    generator: str = RECIPE
    native: ImageStage | None = None

    @property
    def title(self) -> str:
        return f"course-{self.product}"

    def build(self, out: Path, console: Console) -> None:
        staging = out / "mounts"
        console.say("assembling the content")
        assemble(
            self.content.path,
            self.include,
            staging / "content",
            solutions=self.solutions,
            versions=self.versions,
            release=self.release,
            facts=read_facts(self.facts),
        )
        self.write_updates(staging / "updates")
        verify = self.copy_verify(staging / "verify")
        console.say("writing the course's page")
        self.write_page(staging / "content", staging / "docs", out / "page")
        packages = list_packages(self.runtime.path, self.content.path / "tools")
        wheels = [wheel.name for wheel in build_wheels(packages, staging / "tools", out / "tools.log")]
        given = {
            **self.variables,
            "course_wheels": [f"{MOUNT}/tools/{wheel}" for wheel in wheels],
            "course_commands": list_commands(packages, self.product, torch=bool(self.verify)),
        }
        with lent_uv(out) as program:
            folders = {name: staging / name for name in ("content", "docs", "tools", "updates")} | {"verify": verify}
            mounts = {"bin": program, **folders}
            if self.native:
                mounts["lib"] = self.install_natively(self.native, staging, program, wheels, out)
                given["given_lib"] = True
            build_image(Step(self.play, self.before.image, self.image, given, mounts, self.settings), out, console)
        shutil.rmtree(staging)

    def copy_verify(self, folder: Path) -> Path:
        """Copy the suite of `course-verify` to `folder`, which stays empty where there is none; return it."""
        if self.verify:
            return self.verify.copy_as(folder)
        make_folder(folder)
        return folder

    def write_updates(self, folder: Path) -> None:
        """Write what `course-update` reads in the product: where it asks, who may sign, what pages show."""
        make_folder(folder)
        write_file(folder / "course.json", _as_json(self.variables["course"]))
        write_file(folder / "signers", "".join(f"{line}\n" for line in self.signers).encode())
        write_file(folder / "versions.json", _as_json(list_shown(self.versions, None)))

    def install_natively(
        self, native: ImageStage, staging: Path, program: Path, wheels: Sequence[str], out: Path
    ) -> Path:
        """Install the commands, the same on every processor, in this machine's own system; return their folder."""
        shutil.copytree(program, staging / "native/bin")
        shutil.copytree(staging / "tools", staging / "native/tools")
        argv = [
            f"{MOUNT}/bin/uv", "pip", "install", "--python=/opt/venv", f"--target={LIB}", "--offline", "--no-cache",
            "--no-index", "--no-deps", "--compile-bytecode", "--link-mode=copy",
            *(f"{MOUNT}/tools/{wheel}" for wheel in wheels),
        ]  # fmt: skip
        task = Task(argv, staging / "native", LIB, {"PYC_INVALIDATION_MODE": "UNCHECKED_HASH"})
        run_task(native.image, task, staging / "lib", out)
        return staging / "lib"

    def write_page(self, content: Path, docs: Path, work: Path) -> None:
        """Write the course's page, without downloads, into the new folder `docs`; work: for what comes before."""
        work.mkdir()
        students, run = self.documents.students, self.run.read()
        site = make_site(read_facts(self.facts), content, self.documents.root, students=students, run=run)
        write_site(site, docs, work)
        shutil.rmtree(work)


def _as_json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=4, sort_keys=True) + "\n").encode()
