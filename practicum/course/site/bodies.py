"""The plugin that gives MkDocs the bodies of the pages, which it would make of Markdown itself."""

from collections.abc import Mapping
from typing import Any

from mkdocs.config.base import Config
from mkdocs.plugins import BasePlugin
from mkdocs.structure.pages import Page as FramedPage
from mkdocs.structure.toc import get_toc

from practicum.course.site.generator import nest
from practicum.course.site.page import Page


class NoSettings(Config):  # type: ignore[no-untyped-call]
    """Nothing about it can be set."""


class Bodies(BasePlugin[NoSettings]):  # type: ignore[no-untyped-call]
    """Put the bodies and headings of `pages`, by path, into the frame."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self._pages = pages

    def on_page_content(self, _html: str, *, page: FramedPage, **_: Any) -> str:
        """Return the body of the page, and tell MkDocs its headings."""
        ours = self._pages[page.file.src_uri.removesuffix(".md")]
        page.toc = get_toc(nest(ours.headings))
        return ours.html
