"""The description of a semester: `semesters/<id>/semester.toml` read into typed, frozen, validated models.

Everything practicum builds follows from these models; `load` is the only way in. A wrong file never gets further than
`load`, which names the file, the key, the value, the reason and the cure, one line a mistake.
"""

import os
import re
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from practicum.architecture import AMD64, KERNEL, Architecture, find_architecture
from practicum.engine.errors import Mistakes, PracticumError
from practicum.semester.fit import check_folders, check_tables
from practicum.semester.folders import CONTENT, find_checkout
from practicum.semester.revision import Revision, read_revision
from practicum.semester.sessions import PageAddress, Registry, Session, Solutions, Text
from practicum.semester.toml_errors import explain, render_key
from practicum.semester.toml_file import read_toml
from practicum.semester.values import (
    PRODUCTS,
    PRODUCTS_WITHOUT_TORCH,
    Address,
    ArchitectureNames,
    Code,
    CommonPackages,
    ContentPaths,
    DataSets,
    DebianPackages,
    HostPort,
    Line,
    Pins,
    ProductNames,
    Requirements,
    Season,
    User,
    VariableName,
    VariableValue,
    make_mistake,
)

PYTHON_OF_SUITE = {"bookworm": "3.11", "trixie": "3.13"}


class _Table(BaseModel):
    """A table of semester.toml. Strict: no "2" where a number is meant, no true where 1 is meant."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Course(_Table):
    """What the course is called."""

    code: Code = Field(description="code of the course at its institution", examples=["EE-559"])
    title: Line = Field(description="title of the course", examples=["Deep Learning"])
    institution: Line = Field(description="who gives the course", examples=["EPFL"])
    semester: Season = Field(description="year and season, the name of the folder", examples=["2027-spring"])
    info: PageAddress | None = Field(default=None, description="address of the page that announces the course")
    thanks: Text | None = Field(default=None, description="whom the course thanks")
    links: dict[Line, PageAddress] = Field(default={}, description="names and addresses of the course's other pages")
    sessions: Annotated[tuple[Session, ...], Field(strict=False)] = Field(
        default=(), description="the course's sessions"
    )

    @property
    def slug(self) -> str:
        """The code in small letters and digits only ("ee559"): a folder, host and file name everywhere."""
        return re.sub(r"[^a-z0-9]", "", self.code.lower())


class Debian(_Table):
    """The operating system of every product."""

    suite: Literal["bookworm", "trixie"] = Field(description="Debian release", examples=["bookworm"])
    packages: CommonPackages = Field(default=(), description="Debian packages in every product")
    appliance_packages: DebianPackages = Field(default=(), description="Debian packages only the appliance needs")

    @model_validator(mode="after")
    def _refuse_overlap(self) -> "Debian":
        both = sorted(set(self.packages) & set(self.appliance_packages))
        if both:
            raise make_mistake(
                f"appliance_packages repeats {', '.join(both)} of packages", "keep them in packages, it serves both"
            )
        return self

    @property
    def python_version(self) -> str:
        """Version ("3.11") of the suite's own Python, the one every product runs."""
        return PYTHON_OF_SUITE[self.suite]

    def list_appliance_packages(self, architecture: Architecture) -> tuple[str, ...]:
        """Return the packages that only the appliance needs, with the kernel of `architecture`."""
        return tuple(architecture.kernel if name == KERNEL else name for name in self.appliance_packages)


class OfArchitecture(_Table):
    """What differs in the Python packages of one architecture."""

    requires: Pins = Field(default=(), description="versions in place of those of python.requires, pinned with ==")


class Python(_Table):
    """The Python packages of every product."""

    requires: Requirements = Field(
        description="Python requirements; torch and torchvision pinned with ==", examples=[["torch==2.13.0", "numpy"]]
    )
    amd64: OfArchitecture = Field(default=OfArchitecture(), description="what differs for this architecture")
    arm64: OfArchitecture = Field(default=OfArchitecture(), description="what differs for this architecture")


class Appliance(_Table):
    """The virtual machine and the ports it takes on the student's computer."""

    cpus: int = Field(default=2, ge=1, le=32, description="virtual processors")
    memory_mb: int = Field(default=4096, ge=1024, le=65536, description="memory in MB")
    disk_gb: int = Field(default=64, ge=8, le=2000, description="virtual disk in GB, grown at the first boot")
    user: User = Field(default="student", description="name of the student's account")
    jupyter_port: HostPort = Field(default=8888, description="port of JupyterLab on the student's computer (127.0.0.1)")
    ssh_port: HostPort = Field(default=2022, description="port of ssh on the student's computer (127.0.0.1)")
    access: Literal["code", "open"] = Field(default="code", description="code: one access code per machine; open: none")

    @model_validator(mode="after")
    def _refuse_shared_port(self) -> "Appliance":
        if self.jupyter_port == self.ssh_port:
            raise make_mistake(f"jupyter_port and ssh_port are both {self.ssh_port}", "give each its own port")
        return self


class Content(_Table):
    """What of course_content/ the students find in their home folder."""

    include: ContentPaths = Field(description="files and folders inside course_content/", examples=[["practicals"]])
    solutions: Solutions = Field(default=False, description="which solutions come along, and when")
    release: int = Field(default=1, ge=1, le=9999, description="number of the content release")


class Data(_Table):
    """The data sets that lie in every product."""

    sets: DataSets = Field(default=(), description="data sets in every product", examples=[["mnist", "cifar10"]])
    source: Literal["real", "stand-in", "real-or-stand-in"] = Field(
        default="real-or-stand-in", description="where the data sets come from"
    )


Environment = dict[VariableName, VariableValue]
"""Environment variables of every program that students start."""


class Release(_Table):
    """Where releases are published, and whether products look there for content releases."""

    registry: Registry | None = Field(default=None, description="name of the images in a registry, without a tag")
    address: Address = Field(default="", description="where releases are, as students' computers see it")
    updates: bool = Field(default=True, description="false: products never ask for a content release")


class Semester(_Table):
    """One semester of one course: semester.toml, and the folder it came from."""

    architectures: ArchitectureNames = Field(
        default=(AMD64.name,), description="processors that products are built for", examples=[[AMD64.name]]
    )
    products: ProductNames = Field(default=PRODUCTS, description="what is built", examples=[["cuda"]])
    course: Course = Field(description="what the course is called")
    debian: Debian = Field(description="operating system of every product")
    python: Python = Field(description="Python packages of every product")
    appliance: Appliance = Field(default=Appliance(), description="the virtual machine")
    content: Content = Field(description="what of course_content/ is included")
    data: Data = Field(default=Data(), description="the data sets")
    release: Release = Field(default=Release(), description="where releases are published")
    environment: Environment = Field(default={}, description="environment variables of JupyterLab and of each shell")
    folder: Path = Field(exclude=True, description="absolute folder of semester.toml; not a key of the file")

    @property
    def id(self) -> str:
        """The year and what follows it, "2027-spring"; the name of the folder."""
        return self.course.semester

    @property
    def product_name(self) -> str:
        """Base name of every product, "ee559-2027-spring"."""
        return f"{self.course.slug}-{self.id}"

    @property
    def has_torch(self) -> bool:
        """Whether the course computes with torch: without it, there is no image with CUDA."""
        return any(canonicalize_name(Requirement(text).name) == "torch" for text in self.python.requires)

    @property
    def built_for(self) -> tuple[Architecture, ...]:
        """The architectures that the description names, in its order."""
        return tuple(find_architecture(name) for name in self.architectures)

    @property
    def variants(self) -> tuple[Literal["cpu", "cuda"], ...]:
        """The variants of the Python packages that the products need, and so of the locks; the appliance has "cpu"."""
        needed: dict[Literal["cpu", "cuda"], bool] = {
            "cpu": {*self.products} != {"cuda"},
            "cuda": "cuda" in self.products,
        }
        return tuple(variant for variant, is_needed in needed.items() if is_needed)

    @property
    def images(self) -> tuple[Literal["cpu", "cuda"], ...]:
        """The container images among the products, in the order of the file."""
        return tuple(product for product in self.products if product != "appliance")

    def list_pins(self, architecture: Architecture) -> tuple[str, ...]:
        """Return the versions that the CPU products of `architecture` have in place of those of python.requires."""
        table: OfArchitecture = getattr(self.python, architecture.name)
        return table.requires

    @property
    def epoch(self) -> int:
        """Time stamp of everything built: the first second of the year before the semester's, in UTC.

        It follows from the description alone, so that the same inputs give the same bytes on any day; and it is past
        whenever the appliance is used, because a file system from the future makes the first boot repair it.
        """
        return int(datetime(int(self.course.semester[:4]) - 1, 1, 1, tzinfo=UTC).timestamp())

    @property
    def course_root(self) -> Path:
        """The folder of the course: semesters/<id>/ lies two levels below it."""
        return self.folder.parents[1]

    @cached_property
    def revision(self) -> Revision:
        """The commit of the course's checkout, as it was when somebody first asked: one build has one."""
        return read_revision(self.course_root)

    @property
    def checkout(self) -> Path:
        """The checkout of practicum whose files build the course; it may be the course's own folder."""
        return find_checkout(self.course_root)

    @property
    def content_root(self) -> Path:
        """The folder `content.include` is relative to."""
        return self.course_root / CONTENT

    @property
    def dist(self) -> Path:
        """The folder in which the products appear."""
        return self.course_root / "dist" / self.id


@cache
def make_schema() -> dict[str, Any]:
    """Return what is said of every key: its kind, description, default, examples and limits."""
    return Semester.model_json_schema()


def load(folder: Path) -> Semester:
    """Read and check `folder`/semester.toml.

    Raises PracticumError with one line per mistake, `semesters/x/semester.toml: key = value: reason; cure`.
    """
    folder = Path(os.path.realpath(folder))  # Path.resolve raises where links lead in a circle
    file = folder / "semester.toml"
    label = "/".join(file.parts[-3:])
    data = read_toml(file, label)
    if not data:
        raise PracticumError(label, "holds no key", "copy that of another semester, or see docs/semester.md")
    try:
        if "folder" in data:  # a field of the model that is not a key of the file
            raise PracticumError(label, f"{render_key(('folder',), data)}: unknown key", "remove it")
        semester = Semester.model_validate({**data, "folder": folder})
        if "products" not in data and not semester.has_torch:
            semester = semester.model_copy(update={"products": PRODUCTS_WITHOUT_TORCH})
    except ValidationError as failure:
        told = [explain(error, data, make_schema()) for error in failure.errors(include_url=False)]
        raise Mistakes(label, told) from None
    mistakes = [*check_tables(semester), *check_folders(semester)]
    if mistakes:
        raise Mistakes(label, mistakes)
    return semester
