"""The description of a semester: `semesters/<id>/semester.toml` read into typed, frozen, validated models.

Everything practicum builds follows from these models; `load` is the only way in. A wrong file never gets further than
`load`, which names the file, the key, the value, the reason and the cure, one line a mistake.
"""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from practicum.architecture import AMD64, KERNEL, NAMES, Architecture, find_architecture
from practicum.engine.errors import Mistakes, PracticumError
from practicum.semester.fit import check_folders, check_tables
from practicum.semester.toml_errors import explain, quote, render_key, suggest

# Names a fresh Debian already gives to a user or a group (base-passwd, systemd, dbus, openssh, chrony):
# useradd either refuses them or would hand the student a system account's files.
SYSTEM_NAMES = frozenset(
    """
    root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody _apt nogroup
    adm tty disk dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev
    staff users input sgx kvm render crontab systemd-journal systemd-network systemd-resolve systemd-timesync
    systemd-coredump messagebus sshd _ssh ssh _chrony chrony polkitd tss uuidd vboxsf vboxadd docker
    """.split()  # noqa: SIM905 - a list of forty quoted words is harder to read and to keep sorted
)
PINNED = ("torch", "torchvision")
PYTHON_OF_SUITE = {"bookworm": "3.11", "trixie": "3.13"}


def _mistake(reason: str, cure: str) -> PydanticCustomError:
    """Return a mistake in a value, in the words `load` prints."""
    return PydanticCustomError("practicum", "{reason}; {cure}", {"reason": reason, "cure": cure})


def _check_line(value: str) -> str:
    if not value.strip() or not value.isprintable() or value != value.strip() or len(value) > 80:
        raise _mistake(
            "must be one line of 1 to 80 visible characters",
            "shorten it, and remove blanks around it and control characters",
        )
    return value


def _check_code(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([ .-][A-Za-z0-9]+)*", value) or len(value) > 20:
        raise _mistake("must be letters and digits, joined by single hyphens, at most 20", 'write it like "EE-559"')
    return value


def _check_semester(value: str) -> str:
    if not re.fullmatch(r"20[0-9]{2}-(spring|autumn)", value):
        raise _mistake("must be a year and a season", 'write it like "2027-spring" or "2027-autumn"')
    return value


def _check_debian_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", value):
        raise _mistake(
            "is not a Debian package name (small letters, digits, + . -)", "take the name `apt-cache search` prints"
        )
    return value


def _check_requirement(value: str) -> str:
    try:
        requirement = Requirement(value)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise _mistake(f"is not a Python requirement ({reason})", 'write it like "numpy" or "torch==2.13.0"') from None
    if requirement.url:
        raise _mistake("names an address", "name the package and its version; locks hold no address")
    if canonicalize_name(requirement.name) in PINNED:
        _check_pin(requirement)
    return value


def _check_pin(requirement: Requirement) -> None:
    name = requirement.name
    pins = [specifier for specifier in requirement.specifier if specifier.operator == "=="]
    if len(requirement.specifier) != 1 or len(pins) != 1 or pins[0].version.endswith("*"):
        raise _mistake("must be pinned to one version", f'write it like "{name}==2.13.0"')
    try:
        local = Version(pins[0].version).local
    except InvalidVersion:  # unreachable through Requirement, which parses versions of == itself
        raise _mistake("is not a version", f'write it like "{name}==2.13.0"') from None
    if local:
        raise _mistake(
            f"must not name a variant (+{local})", "leave it out: each product takes its own variant of that version"
        )


def _check_user(value: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", value):
        raise _mistake(
            "Linux refuses this user name (small letters, digits, _ and -, a letter first, at most 32)",
            'write it like "student"',
        )
    if value in SYSTEM_NAMES:
        raise _mistake("is a name Debian already uses itself", 'choose another, for example "student"')
    return value


def _check_host_port(value: int) -> int:
    if not 1 <= value <= 65535:
        raise _mistake("is outside 1-65535", "choose a port from 1024 to 65535")
    if value < 1024:
        raise _mistake("a host port below 1024 needs administrator rights", "choose a port from 1024 to 65535")
    return value


def _check_content_path(value: str) -> str:
    path = PurePosixPath(value)
    if not value or "\\" in value or not value.isprintable() or str(path) != value or value == ".":
        raise _mistake("is not a plain relative path", 'write it like "practicals"')
    if path.is_absolute() or ".." in path.parts:
        raise _mistake("leaves course_content/", "name a file or folder inside course_content/")
    return value


def _check_architecture(value: str) -> str:
    if value not in NAMES:
        raise _mistake("is no architecture that products are built for", f"use {' or '.join(map(quote, NAMES))}")
    return value


def _check_architectures(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise _mistake("names no architecture", f"name at least one, for example {quote(NAMES[0])}")
    return _refuse_repeats(values)


def _check_pins(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in _check_requirements(values):
        _check_pin(Requirement(value))
    return values


def _refuse_repeats(values: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise _mistake(f"names {', '.join(repeated)} twice", "keep one")
    return values


def _check_requirements(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise _mistake("names no package", 'name at least one, for example "numpy"')
    _refuse_repeats(tuple(canonicalize_name(Requirement(value).name) for value in values))
    return values


Line = Annotated[str, AfterValidator(_check_line)]
HostPort = Annotated[int, AfterValidator(_check_host_port)]
# TOML has lists only; the models are frozen all the way down, so they become tuples (strict mode would refuse that).
DebianPackages = Annotated[
    tuple[Annotated[str, AfterValidator(_check_debian_name)], ...],
    Field(strict=False),
    AfterValidator(_refuse_repeats),
]
Requirements = Annotated[
    tuple[Annotated[str, AfterValidator(_check_requirement)], ...],
    Field(strict=False),
    AfterValidator(_check_requirements),
]
Pins = Annotated[
    tuple[Annotated[str, AfterValidator(_check_requirement)], ...],
    Field(strict=False),
    AfterValidator(_check_pins),
]
ArchitectureNames = Annotated[
    tuple[Annotated[str, AfterValidator(_check_architecture)], ...],
    Field(strict=False),
    AfterValidator(_check_architectures),
]
ContentPaths = Annotated[
    tuple[Annotated[str, AfterValidator(_check_content_path)], ...],
    Field(strict=False),
    AfterValidator(_refuse_repeats),
]


DataSet = Literal["mnist", "cifar10"]


class _Table(BaseModel):
    """A table of semester.toml. Strict: no "2" where a number is meant, no true where 1 is meant."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Course(_Table):
    """What the course is called."""

    code: Annotated[str, AfterValidator(_check_code)] = Field(
        description="code of the course at its institution", examples=["EE-559"]
    )
    title: Line = Field(description="title of the course", examples=["Deep Learning"])
    institution: Line = Field(description="who gives the course", examples=["EPFL"])
    semester: Annotated[str, AfterValidator(_check_semester)] = Field(
        description="year and season, equal to the name of the folder", examples=["2027-spring"]
    )

    @property
    def slug(self) -> str:
        """The code in small letters and digits only ("ee559"): a folder, host and file name everywhere."""
        return re.sub(r"[^a-z0-9]", "", self.code.lower())


class Debian(_Table):
    """The operating system of every product."""

    suite: Literal["bookworm", "trixie"] = Field(description="Debian release", examples=["bookworm"])
    packages: DebianPackages = Field(default=(), description="Debian packages in every product")
    appliance_packages: DebianPackages = Field(default=(), description="Debian packages only the appliance needs")

    @model_validator(mode="after")
    def _refuse_overlap(self) -> "Debian":
        both = sorted(set(self.packages) & set(self.appliance_packages))
        if both:
            raise _mistake(
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
    user: Annotated[str, AfterValidator(_check_user)] = Field(
        default="student", description="name of the student's account"
    )
    jupyter_port: HostPort = Field(default=8888, description="port of JupyterLab on the student's computer (127.0.0.1)")
    ssh_port: HostPort = Field(default=2022, description="port of ssh on the student's computer (127.0.0.1)")
    access: Literal["code", "open"] = Field(default="code", description="code: one access code per machine; open: none")

    @model_validator(mode="after")
    def _refuse_shared_port(self) -> "Appliance":
        if self.jupyter_port == self.ssh_port:
            raise _mistake(f"jupyter_port and ssh_port are both {self.ssh_port}", "give each its own port")
        return self


class Content(_Table):
    """What of course_content/ the students find in their home folder."""

    include: ContentPaths = Field(description="files and folders inside course_content/", examples=[["practicals"]])
    solutions: bool = Field(default=False, description="true: the solutions of the practicals come along")


class Data(_Table):
    """The data sets that lie in every product."""

    sets: Annotated[tuple[DataSet, ...], Field(strict=False), AfterValidator(_refuse_repeats)] = Field(
        default=(), description="data sets in every product", examples=[["mnist", "cifar10"]]
    )
    source: Literal["real", "stand-in", "real-or-stand-in"] = Field(
        default="real-or-stand-in", description="where the data sets come from"
    )


class Semester(_Table):
    """One semester of one course: semester.toml, and the folder it came from."""

    architectures: ArchitectureNames = Field(
        default=(AMD64.name,), description="processors that products are built for", examples=[[AMD64.name]]
    )
    course: Course = Field(description="what the course is called")
    debian: Debian = Field(description="operating system of every product")
    python: Python = Field(description="Python packages of every product")
    appliance: Appliance = Field(default=Appliance(), description="the virtual machine")
    content: Content = Field(description="what of course_content/ is included")
    data: Data = Field(default=Data(), description="the data sets")
    folder: Path = Field(exclude=True, description="absolute folder of semester.toml; not a key of the file")

    @property
    def id(self) -> str:
        """The year and season, "2027-spring"; the name of the folder."""
        return self.course.semester

    @property
    def product_name(self) -> str:
        """Base name of every product, "ee559-2027-spring"."""
        return f"{self.course.slug}-{self.id}"

    @property
    def built_for(self) -> tuple[Architecture, ...]:
        """The architectures that the description names, in its order."""
        return tuple(find_architecture(name) for name in self.architectures)

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
    def root(self) -> Path:
        """The repository: semesters/<id>/ lies two levels below it."""
        return self.folder.parents[1]

    @property
    def content_root(self) -> Path:
        """The folder `content.include` is relative to."""
        return self.root / "course_content"


def load(folder: Path) -> Semester:
    """Read and check `folder`/semester.toml.

    Raises PracticumError with one line per mistake, `semesters/x/semester.toml: key = value: reason; cure`.
    """
    folder = folder.resolve()
    file = folder / "semester.toml"
    label = "/".join(file.parts[-3:])
    data = _read_toml(file, label)
    try:
        if "folder" in data:  # a field of the model that is not a key of the file
            raise PracticumError(label, f"{render_key(('folder',), data)}: unknown key", "remove it")
        semester = Semester.model_validate({**data, "folder": folder})
    except ValidationError as failure:
        schema = Semester.model_json_schema()
        raise Mistakes(label, [explain(error, data, schema) for error in failure.errors(include_url=False)]) from None
    mistakes = [*check_tables(semester), *check_folders(semester)]
    if mistakes:
        raise Mistakes(label, mistakes)
    return semester


def _read_toml(file: Path, label: str) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = sorted(path.parent.name for path in file.parent.parent.glob("*/semester.toml"))
        hint = suggest(file.parent.name, known, f"semesters here: {', '.join(known) or 'none'}")
        raise PracticumError(label, "no such file", hint) from None
    except tomllib.TOMLDecodeError as error:
        # Python 3.11 gives the place only inside the message: "Invalid value (at line 3, column 5)".
        reason, _, place = str(error).rstrip(")").rpartition(" (at ")
        raise PracticumError(
            label, f"{place.split(',')[0]}: not TOML ({reason})", "strings need quotes, tables [brackets]"
        ) from None
    except UnicodeDecodeError as error:
        raise PracticumError(label, f"byte {error.start} is not UTF-8", "save the file as UTF-8 text") from None
    except OSError as error:
        raise PracticumError(label, f"cannot be read ({error.strerror})", "make it a readable file") from None
