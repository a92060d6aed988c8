"""MkDocs with the theme Material writes a site: navigation, search, light and dark.

The pages come with their bodies; the generator puts these into its frame (templates/theme, on top of Material's). What
it writes depends on nothing else: no date, no address, no other computer.
"""

import json
import logging
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from practicum.course.site.page import Heading, Page, Site
from practicum.engine.errors import PracticumError

PROGRAMS = ("mkdocs", "mkdocs-material", "jinja2", "markdown-it-py", "mdit-py-plugins", "pygments", "latex2mathml")
RECIPE = ", ".join(f"{name} {version(name)}" for name in PROGRAMS)
"""What else than our own files decides on what is written."""

THEME = Path(__file__).parent / "templates/theme"

FEATURES = ["navigation.tabs", "navigation.indexes", "navigation.footer", "toc.follow"]

LEFT_OUT = ("sitemap.xml", "sitemap.xml.gz", "404.html", "assets/javascripts/lunr")
"""What Material writes for a web server of its own, and for the search in other languages than English."""


def write_site(site: Site, out: Path, work: Path) -> None:
    """Write the site into the folder `out`, which is not there yet; work: an empty folder for what comes before.

    Raises PracticumError when MkDocs finds a fault.
    """
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    from practicum.course.site.bodies import Bodies

    _write_sources(site, work / "docs")
    settings = work / "mkdocs.yml"
    settings.write_text(json.dumps(_describe(site, work, out)), encoding="utf-8")  # JSON is YAML
    config = load_config(str(settings))
    config.plugins["bodies"] = Bodies({page.path: page for page in site.pages})
    complaints = _Complaints()
    logging.getLogger("mkdocs").addHandler(complaints)
    try:
        build(config)
    finally:
        logging.getLogger("mkdocs").removeHandler(complaints)
    if complaints.lines:
        raise PracticumError("site", f"MkDocs says: {complaints.lines[0]}", "mend the page that it names")
    _leave_out(out)
    for name, data in site.files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _describe(site: Site, work: Path, out: Path) -> dict[str, Any]:
    """Return MkDocs' settings."""
    return {
        "site_name": site.title,
        "docs_dir": str(work / "docs"),
        "site_dir": str(out),
        "use_directory_urls": False,
        "nav": [_list_section(section.title, section.pages) for section in site.sections],
        "theme": {
            "name": "material",
            "custom_dir": str(THEME),
            "font": False,
            "icon": {"logo": "material/school"},
            "features": FEATURES,
            "palette": _list_palettes(),
        },
        "plugins": ["search"],
        "extra": {"generator": False},
        "extra_css": ["assets/course.css"],
        "validation": {"links": {"not_found": "ignore", "unrecognized_links": "ignore"}, "omitted_files": "ignore"},
    }


def _list_section(title: str, pages: tuple[Page, ...]) -> dict[str, Any]:
    if len(pages) == 1:
        return {title: f"{pages[0].path}.md"}
    return {title: [{page.title: f"{page.path}.md"} for page in pages]}


def _list_palettes() -> list[dict[str, Any]]:
    """Return the looks between which the button in the header chooses; the first follows the visitor's system."""
    return [
        {
            "media": "(prefers-color-scheme)",
            "toggle": {"icon": "material/brightness-auto", "name": "Use light colours"},
        },
        {
            "media": "(prefers-color-scheme: light)",
            "scheme": "default",
            "primary": "indigo",
            "accent": "indigo",
            "toggle": {"icon": "material/weather-sunny", "name": "Use dark colours"},
        },
        {
            "media": "(prefers-color-scheme: dark)",
            "scheme": "slate",
            "primary": "indigo",
            "accent": "indigo",
            "toggle": {"icon": "material/weather-night", "name": "Use the colours of your system"},
        },
    ]


def _write_sources(site: Site, folder: Path) -> None:
    """Write for each page a source that says only what MkDocs must know of it."""
    for page in site.pages:
        path = folder / f"{page.path}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        meta: dict[str, Any] = {"title": page.title, **({"description": page.description} if page.description else {})}
        meta |= {"hide": ["navigation", "toc"]} if page.wide else {}
        lines = [f"{key}: {json.dumps(value)}" for key, value in meta.items()]
        path.write_text("\n".join(["---", *lines, "---", ""]), encoding="utf-8")


def _leave_out(out: Path) -> None:
    """Remove what no visitor needs, and write the index of the search once more, for pages without a server."""
    for name in LEFT_OUT:
        path = out / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path in out.rglob("*.map"):
        path.unlink()
    index = out / "search/search_index.json"
    (out / "search/search_index.js").write_text(f"var __index = {index.read_text()}", encoding="utf-8")


class _Complaints(logging.Handler):
    """Keep what MkDocs warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def nest(headings: tuple[Heading, ...]) -> list[Any]:
    """Return headings as MkDocs nests them in a table of contents."""
    roots: list[dict[str, Any]] = []
    above: list[dict[str, Any]] = []
    for heading in headings:
        entry = {"level": heading.level, "id": heading.id, "name": heading.text, "children": []}
        while above and above[-1]["level"] >= heading.level:
            above.pop()
        (above[-1]["children"] if above else roots).append(entry)
        above.append(entry)
    return roots
