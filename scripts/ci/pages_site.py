"""The pages of a release: its notes, what it changes, and its small files, as plain HTML in one folder."""

from __future__ import annotations

import html
import shutil
from pathlib import Path

from markdown_it import MarkdownIt

from practicum.engine.publish import move_folder
from practicum.release.record import FILE, read_record

SMALL = 20 << 20
"""Bytes; larger files are where the release is published, not on its pages."""

STYLE = """
body { max-width: 48rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 sans-serif }
td, th { padding: .1rem .6rem; text-align: left }
"""


def write_site(release: Path, site: Path) -> None:
    """Write the pages of the release in the folder `release` into the folder `site`, in place of what is there.

    NOTES.md becomes index.html, CHANGES.md changes.html; every other small file at the top and the SBOMs are copied.
    """
    name = read_record(release / FILE).name
    new = site.with_name(f".{site.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for path in sorted(release.rglob("*")):
        copied = new / path.relative_to(release)
        shown = path.parent in (release, release / "sbom")
        if shown and path.is_file() and path.stat().st_size <= SMALL:
            copied.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, copied)
    notes, changes = ((release / each).read_text() for each in ("NOTES.md", "CHANGES.md"))
    links = "".join(f"- [{name}]({name})\n" for name in list_files(new))
    (new / "index.html").write_text(render(name, f"{notes}\n\n## Files\n\n- [What changed](changes.html)\n{links}"))
    (new / "changes.html").write_text(render(f"{name}: what changed", changes))
    move_folder(new, site)


def list_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def render(title: str, markdown: str) -> str:
    """Return a whole page; HTML inside the Markdown is shown as text."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'
