"""The course's content as pages: each lecture, practical and project, with the files that students start from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from practicum.course.site.markdown import render
from practicum.course.site.notebook import Shown, show
from practicum.course.site.page import Page, link
from practicum.course.solutions import FOLDER
from practicum.course.weeks import PAGE

SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)

OUTSIDE = ("https://", "http://", "mailto:")
"""How addresses begin that a text may have; `<vbox:Machine>` looks like one."""


@dataclass(frozen=True)
class Item:
    """A lecture, practical or project.

    name: as semester.toml has it, "practical-4". path: of its page. downloads: paths in the site of the files that a
    student starts from. run: whether the page shows what its programs printed and drew.
    """

    name: str
    path: str
    shown: Shown
    downloads: tuple[str, ...]
    run: bool = False


@dataclass
class Content:
    """All items by name, in order, the texts beside the lectures, and the files of pages: path in the site -> bytes."""

    lectures: dict[str, Item] = field(default_factory=dict)
    practicals: dict[str, Item] = field(default_factory=dict)
    projects: dict[str, Item] = field(default_factory=dict)
    texts: list[Page] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


def read_content(folder: Path, run: Mapping[str, bytes]) -> Content:
    """Return the content that `practicum.course.content.assemble` wrote into `folder`.

    run: name of a lecture -> the notebook with its outputs, which is shown in place of the one without.
    """
    content = Content()
    for notebook in sorted(folder.glob("lectures/*.ipynb")):
        name, with_outputs = notebook.stem, run.get(notebook.stem)
        item = _read_item(content, folder, [notebook], with_outputs or notebook.read_bytes(), f"lectures/{name}", name)
        content.lectures[name] = Item(**{**vars(item), "run": with_outputs is not None})
    texts = (path for path in sorted(folder.glob("lectures/*.md")) if path != folder / PAGE)
    content.texts = [_read_text(path.read_text(encoding="utf-8"), f"lectures/{path.stem}") for path in texts]
    for kind, items in (("practicals", content.practicals), ("projects", content.projects)):
        for notebook in sorted(folder.glob(f"{kind}/*/*.ipynb")):
            name = notebook.parent.name
            if name not in items:
                files = [path for path in sorted(notebook.parent.rglob("*")) if path.is_file()]
                files = [path for path in files if FOLDER not in path.relative_to(folder).parts]
                items[name] = _read_item(
                    content, folder, files, notebook.read_bytes(), f"{kind}/{name}/statement", name
                )
    return content


def make_page(item: Item, description: str = "") -> Page:
    """Return the page of an item; above its text stand the files to download."""
    place = f"{item.path.rpartition('/')[0]}/"
    row = "".join(
        f'<a class="file" href="{link(item.path, target)}" download>{target.removeprefix(place)}</a> '
        for target in item.downloads
    )
    heading, closed, rest = item.shown.html.partition("</h1>")
    html = f'{heading}{closed}<p class="files">Download: {row}</p>\n{rest}'
    return Page(item.path, item.shown.title, html, item.shown.headings, description)


def _read_item(content: Content, folder: Path, files: list[Path], notebook: bytes, page: str, name: str) -> Item:
    """Return an item, and add the files of its page to `content`."""
    downloads = [path.relative_to(folder).as_posix() for path in files]
    shown = show(notebook, name, partial(_resolve, page, set(downloads)))
    for path, target in zip(files, downloads, strict=True):
        content.files[target] = path.read_bytes()
    place = page.rpartition("/")[0]
    content.files |= {f"{place}/{figure.name}": figure.data for figure in shown.figures}
    return Item(name, page, shown, tuple(downloads))


def _read_text(text: str, path: str) -> Page:
    """Return a Markdown text as the page with the path `path`."""
    body = render(text, partial(_resolve, path, set()), formulas=True)
    title = next((heading.text for heading in body.headings if heading.level == 1), path.rpartition("/")[2])
    return Page(path, title, body.html, body.headings)


def _resolve(page: str, downloads: set[str], address: str) -> str | None:
    """Return the address of a link in a notebook: other notebooks are where the student has them, not here."""
    if SCHEME.match(address):
        return address if address.startswith(OUTSIDE) else None
    if address.startswith("#"):
        return address
    target = f"{page.rpartition('/')[0]}/{address}"
    return address if target in downloads else None
