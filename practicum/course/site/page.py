"""What a site consists of, before the generator puts it into files: sections, pages and plain files."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

INDEX = "index"
"""The last part of the path of a section's first page."""


@dataclass(frozen=True)
class Heading:
    """A heading of a page: level 1 to 6, the id that links name, and the text without markup."""

    level: int
    id: str
    text: str


@dataclass(frozen=True)
class Page:
    """One page: its path in the site without ".html", its title, the HTML of its body, and its headings in order.

    wide: without navigation at its sides.
    """

    path: str
    title: str
    html: str
    headings: tuple[Heading, ...] = ()
    description: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """What the navigation shows together. Of several pages, the first one opens when the section is chosen."""

    title: str
    pages: tuple[Page, ...]


@dataclass(frozen=True)
class Site:
    """A whole site; files: path in the site -> bytes, of everything that is no page."""

    title: str
    sections: tuple[Section, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def pages(self) -> Iterator[Page]:
        for section in self.sections:
            yield from section.pages


def link(page: str, target: str, fragment: str = "") -> str:
    """Return the address of the file `target` of the site as the page with the path `page` writes it.

    It is relative, so that the site works in any folder and without a server.
    """
    address = posixpath.relpath(target, posixpath.dirname(page) or ".")
    return f"{address}#{fragment}" if fragment else address
