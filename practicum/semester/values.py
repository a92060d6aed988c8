"""What one value of semester.toml may be; pydantic calls these checks, and `load` prints the mistakes."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from practicum.architecture import KERNEL, NAMES
from practicum.semester.toml_errors import quote

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
PRODUCTS: tuple[Literal["appliance", "cpu", "cuda"], ...] = ("appliance", "cpu", "cuda")
PRODUCTS_WITHOUT_TORCH = PRODUCTS[:2]
TAKEN_VARIABLES = frozenset(
    """
    PATH LANG SHELL HOME NB_USER NB_UID NB_GID JUPYTER_PORT JUPYTER_PREFER_ENV_PATH COURSE_NAME OMP_WAIT_POLICY CC CXX
    TINI_VERBOSITY NVIDIA_VISIBLE_DEVICES NVIDIA_DRIVER_CAPABILITIES
    """.split()  # noqa: SIM905
)
"""Environment variables that the products set themselves."""

TAKEN_PATHS = {
    "tools": ("is the package of the course's commands, which come without being named", "leave it out"),
    "manifest.json": ("is the name of the list of all files", "rename the file"),
}
"""What of course_content/ cannot be included, with reason and cure."""


def make_mistake(reason: str, cure: str) -> PydanticCustomError:
    """Return a mistake in a value, in the words that `load` prints."""
    return PydanticCustomError("practicum", "{reason}; {cure}", {"reason": reason, "cure": cure})


def refuse_templates(value: str) -> str:
    """Return a text that Ansible leaves as it is."""
    if found := re.search(r"\{[{%#]", value):
        raise make_mistake(f"holds {found[0]}, which begins a template", "write it without {{, {% and {#")
    return value


def _check_line(value: str) -> str:
    if not value.strip() or not value.isprintable() or value != value.strip() or len(value) > 80:
        raise make_mistake(
            "must be one line of 1 to 80 visible characters",
            "shorten it, and remove blanks around it and control characters",
        )
    return refuse_templates(value)


def _check_code(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([ .-][A-Za-z0-9]+)*", value) or len(value) > 20:
        raise make_mistake("must be letters and digits, joined by single hyphens, at most 20", 'write it like "EE-559"')
    return value


def _check_semester(value: str) -> str:
    if not re.fullmatch(r"20[0-9]{2}(-[a-z0-9]+)*", value) or len(value) > 40:
        raise make_mistake(
            "must be a year and words of small letters and digits, joined by single hyphens, at most 40",
            'write it like "2027-spring" or "2027-w1"',
        )
    if re.search(r"-(r[0-9]+|content)$", value):  # the names of releases and content releases end so
        raise make_mistake("ends like the name of a release", 'write it like "2027-spring" or "2027-w1"')
    return value


def _check_debian_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", value):
        raise make_mistake(
            "is not a Debian package name (small letters, digits, + . -)", "take the name `apt-cache search` prints"
        )
    return value


def _check_packages(values: tuple[str, ...]) -> tuple[str, ...]:
    if KERNEL in values:
        raise make_mistake(f"names {KERNEL}, which containers cannot have", "move it to debian.appliance_packages")
    return values


def _check_requirement(value: str) -> str:
    try:
        requirement = Requirement(value)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0].rstrip(".")
        cure = 'write it like "numpy" or "torch==2.13.0"'
        raise make_mistake(f"is not a Python requirement ({reason})", cure) from None
    if requirement.url:
        raise make_mistake("names an address", "name the package and its version; locks hold no address")
    if canonicalize_name(requirement.name) == "python":
        raise make_mistake("is Python itself, which Debian brings", "remove it, and choose Python by debian.suite")
    if canonicalize_name(requirement.name) in PINNED:
        _check_pin(requirement)
    return value


def _check_pin(requirement: Requirement) -> None:
    name = requirement.name
    pins = [specifier for specifier in requirement.specifier if specifier.operator == "=="]
    if len(requirement.specifier) != 1 or len(pins) != 1 or pins[0].version.endswith("*"):
        raise make_mistake("must be pinned to one version", f'write it like "{name}==2.13.0"')
    try:
        local = Version(pins[0].version).local
    except InvalidVersion:  # unreachable through Requirement, which parses versions of == itself
        raise make_mistake("is not a version", f'write it like "{name}==2.13.0"') from None
    if requirement.marker:
        raise make_mistake("must hold everywhere", "remove what follows the ;")
    if local:
        raise make_mistake(
            f"must not name a variant (+{local})", "leave it out: each product takes its own variant of that version"
        )


def _check_user(value: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", value):
        raise make_mistake(
            "Linux refuses this user name (small letters, digits, _ and -, a letter first, at most 32)",
            'write it like "student"',
        )
    if value in SYSTEM_NAMES:
        raise make_mistake("is a name Debian already uses itself", 'choose another, for example "student"')
    return value


def _check_host_port(value: int) -> int:
    if not 1 <= value <= 65535:
        raise make_mistake("is outside 1-65535", "choose a port from 1024 to 65535")
    if value < 1024:
        raise make_mistake("a host port below 1024 needs administrator rights", "choose a port from 1024 to 65535")
    return value


def _check_variable(name: str) -> str:
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
        raise make_mistake("is no name of a variable (capital letters, digits, _)", 'write it like "COURSE_LEVEL"')
    if name in TAKEN_VARIABLES:
        raise make_mistake("is a variable that the products set themselves", "choose another name")
    return name


def _check_variable_value(value: str) -> str:
    # Apptainer would evaluate a $, systemd a %, and each of the others ends or escapes a quoted text.
    if not value.isprintable() or any(letter in value for letter in "$%\"'\\`"):
        raise make_mistake("must be one line without $ % \" ' \\ and `", "put longer texts into files/")
    return refuse_templates(value)


def _check_content_path(value: str) -> str:
    path = PurePosixPath(value)
    if not value or "\\" in value or not value.isprintable() or str(path) != value or value == ".":
        raise make_mistake("is not a plain relative path", 'write it like "practicals"')
    if path.is_absolute() or ".." in path.parts:
        raise make_mistake("leaves course_content/", "name a file or folder inside course_content/")
    if any(part.startswith(".") for part in path.parts):
        raise make_mistake("is hidden, and hidden files never come", "give it a name without a point in front")
    if path.parts[0] in TAKEN_PATHS:
        raise make_mistake(*TAKEN_PATHS[path.parts[0]])
    return refuse_templates(value)


def _check_content_paths(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise make_mistake("names nothing", 'name at least one file or folder, for example "practicals"')
    return _refuse_repeats(values)


def _check_address(value: str) -> str:
    """Return the address without a slash at its end, so that names can follow it."""
    mistake = make_mistake("is no web address", 'write it like "https://HOST/releases"')
    try:
        url = urlsplit(value)
        parts = (url.username, url.password, url.query, url.fragment)
        good = url.scheme in ("https", "http") and bool(url.hostname) and not any(parts) and url.port != 0
    except ValueError:
        raise mistake from None
    if not good or not value.isascii() or any(letter.isspace() or not letter.isprintable() for letter in value):
        raise mistake
    return refuse_templates(value.rstrip("/"))


def _check_architecture(value: str) -> str:
    if value not in NAMES:
        raise make_mistake("is no architecture that products are built for", f"use {' or '.join(map(quote, NAMES))}")
    return value


def _check_architectures(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise make_mistake("names no architecture", f"name at least one, for example {quote(NAMES[0])}")
    return _refuse_repeats(values)


def _check_products(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise make_mistake("names no product", f"name at least one of {', '.join(map(quote, PRODUCTS))}")
    return _refuse_repeats(values)


def _check_pins(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in _check_requirements(values):
        _check_pin(Requirement(value))
    return values


def _refuse_repeats(values: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise make_mistake(f"names {', '.join(repeated)} twice", "keep one")
    return values


def _check_requirements(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise make_mistake("names no package", 'name at least one, for example "numpy"')
    _refuse_repeats(tuple(canonicalize_name(Requirement(value).name) for value in values))
    return values


Line = Annotated[str, AfterValidator(_check_line)]
Code = Annotated[str, AfterValidator(_check_code)]
Season = Annotated[str, AfterValidator(_check_semester)]
VariableName = Annotated[str, AfterValidator(_check_variable)]
VariableValue = Annotated[str, AfterValidator(_check_variable_value)]
User = Annotated[str, AfterValidator(_check_user)]
Address = Annotated[str, AfterValidator(_check_address)]
HostPort = Annotated[int, AfterValidator(_check_host_port)]
# TOML has lists only; the models are frozen all the way down, so they become tuples (strict mode would refuse that).
DebianPackages = Annotated[
    tuple[Annotated[str, AfterValidator(_check_debian_name)], ...],
    Field(strict=False),
    AfterValidator(_refuse_repeats),
]
CommonPackages = Annotated[DebianPackages, AfterValidator(_check_packages)]
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
ProductNames = Annotated[
    tuple[Literal["appliance", "cpu", "cuda"], ...], Field(strict=False), AfterValidator(_check_products)
]
ContentPaths = Annotated[
    tuple[Annotated[str, AfterValidator(_check_content_path)], ...],
    Field(strict=False),
    AfterValidator(_check_content_paths),
]
DataSets = Annotated[tuple[Literal["mnist", "cifar10"], ...], Field(strict=False), AfterValidator(_refuse_repeats)]
