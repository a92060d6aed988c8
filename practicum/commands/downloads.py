"""What a release offers to students: which file is for which computer, and the page that says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from practicum.architecture import ARCHITECTURES
from practicum.course.site.markdown import highlight, render
from practicum.course.site.overview import HOME, fill
from practicum.course.site.page import Page, Section
from practicum.engine.cache import format_bytes

PAGE = "download"
TEMPLATES = Path(__file__).parent / "templates"

COMPUTERS = {architecture.name: architecture for architecture in ARCHITECTURES}


@dataclass(frozen=True)
class File:
    """A file to download: its name, its address as the site's own folder writes it, its bytes, its sha256 in hex."""

    name: str
    address: str
    bytes: int
    sha256: str

    @property
    def size(self) -> str:
        """The size in words: "516.6 MB"."""
        return format_bytes(self.bytes)

    @property
    def checks(self) -> tuple[tuple[str, str, str], ...]:
        """For each system: its name, the command that checks the file, and what it says when all is well."""
        return (
            ("Windows, PowerShell", f"(Get-FileHash {self.name}).Hash -eq '{self.sha256}'", "prints True"),
            ("Windows, command prompt", f"certutil -hashfile {self.name} SHA256", "prints the sum above"),
            ("macOS", f'echo "{self.sha256}  {self.name}" | shasum -a 256 -c', "prints OK"),
            ("Linux", f'echo "{self.sha256}  {self.name}" | sha256sum -c', "prints OK"),
        )


@dataclass(frozen=True)
class Image:
    """A container image.

    kind: "cpu" or "cuda". name: by which it is pulled, with its digest. driver: the oldest of NVIDIA, or "".
    """

    kind: str
    name: str
    file: File
    driver: str = ""


@dataclass(frozen=True)
class Published:
    """A release as students see it.

    name: "2027-spring-r1". appliances: architecture -> file. signature: the command that checks who released it, "" for
    an unsigned release. texts: title -> Markdown of its notes. files: small files that come along, by their names in
    the release. run: name of a lecture -> the notebook with its outputs.
    """

    name: str
    appliances: Mapping[str, File]
    images: tuple[Image, ...]
    port: int
    slug: str
    signature: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    run: Mapping[str, bytes] = field(default_factory=dict)


def make_download(published: Published | None) -> Page:
    """Return the page "Download"; None where nothing was released yet."""
    words = {"published": published, "computers": COMPUTERS, "shell": _shell}
    return Page(
        PAGE, "Download", fill("download.html", PAGE, TEMPLATES, **words), description="What to download", wide=True
    )


def make_start(published: Published) -> str:
    """Return what the first page says of the downloads, as HTML."""
    return fill("start.html", HOME, TEMPLATES, published=published, computers=COMPUTERS)


def make_notes(published: Published) -> Section:
    """Return the pages of the release's own texts."""
    pages = []
    for title, text in published.texts.items():
        body = render(text, lambda address: address if "://" in address or address.startswith("#") else None)
        pages.append(Page(f"release/{title.lower().replace(' ', '-')}", title, body.html, body.headings))
    files = fill("files.html", "release/files", TEMPLATES, published=published)
    return Section("Release", (*pages, Page("release/files", "Files", files)))


def _shell(command: str) -> str:
    return highlight(command, "text")
