"""The site of a course: what leads to its lectures, practicals, projects and documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from practicum.course.site.content import Content, Item, make_page, read_content
from practicum.course.site.documents import ASSISTANTS, STUDENTS, name_page, read_documents
from practicum.course.site.facts import Facts, Session
from practicum.course.site.page import Page, Section, Site, link

HOME = "index"
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Row:
    """A session as the table shows it, with the items that it names."""

    number: int
    session: Session
    day: str
    lecture: Item | None
    practical: Item | None
    project: Item | None


def make_site(
    facts: Facts,
    folder: Path,
    root: Path,
    *,
    students: Mapping[str, str] = STUDENTS,
    run: Mapping[str, bytes] | None = None,
    download: Page | None = None,
    files: Mapping[str, bytes] | None = None,
    start: str = "",
    last: Sequence[Section] = (),
) -> Site:
    """Return the site of a course.

    folder: the content, assembled. root: the checkout, for its docs. students: which of these students get. run: as in
    `read_content`. download: the page that says what to download, with its `files`; None in a product, which has no
    page for assistants either. start: the HTML of home that says what to download. last: sections that follow.
    """
    content = read_content(folder, run or {})
    everywhere = {**students, **(ASSISTANTS if download else {})}
    collected: dict[str, bytes] = {**content.files, **(files or {})}
    helping = read_documents(root, students, everywhere, collected, whole=download is not None)
    assistants = read_documents(root, ASSISTANTS, everywhere, collected, whole=True) if download else ()
    sections = [
        Section("Home", (_make_home(facts, content, start, download is not None),)),
        *([Section("Download", (download,))] if download else []),
        *_list_content(facts, content),
        Section("Help", (_make_index("help", "Help", students, helping), *helping)),
        *([Section("Assistants", (_make_index("assistants", "For assistants", ASSISTANTS, assistants), *assistants))]
          if assistants else []),
        *last,
    ]  # fmt: skip
    return Site(facts.name, tuple(sections), collected)


def list_rows(facts: Facts, content: Content) -> list[Row]:
    """Return the sessions; without any in the description, one for each lecture."""
    sessions = facts.sessions or tuple(Session(lecture=name) for name in content.lectures)
    return [
        Row(
            number,
            session,
            f"{date.fromisoformat(session.date):%A, %-d %B %Y}" if session.date else "",
            content.lectures.get(session.lecture),
            content.practicals.get(session.practical),
            content.projects.get(session.project),
        )
        for number, session in enumerate(sessions, start=1)
    ]


def fill(template: str, page: str, folder: Path = TEMPLATES, **values: Any) -> str:
    """Return a template of `folder` as HTML for the page with the path `page`."""
    return str(_load(folder).get_template(template).render(link=lambda *words: link(page, *words), **values))


@cache
def _load(folder: Path) -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _make_home(facts: Facts, content: Content, start: str, published: bool) -> Page:
    html = fill("home.html", HOME, facts=facts, content=content, start=start, published=published)
    return Page(HOME, "Home", html, description=f"{facts.name}, {facts.institution}, {facts.season}", wide=True)


def _list_content(facts: Facts, content: Content) -> list[Section]:
    """Return the sections of lectures, practicals and projects, as far as there are any."""
    rows = list_rows(facts, content)
    listed: list[Section] = []
    if rows:
        path = "lectures/index"
        figures = {row.number: _find_figure(row.lecture) for row in rows}
        html = fill("lectures.html", path, rows=rows, figures=figures, texts=content.texts)
        pages = [make_page(item) for item in content.lectures.values()]
        listed.append(Section("Lectures", (Page(path, "Lectures", html, wide=True), *pages, *content.texts)))
    for title, items in (("Practicals", content.practicals), ("Projects", content.projects)):
        if items:
            path = f"{title.lower()}/index"
            html = fill("items.html", path, title=title, items=items.values(), slug=facts.slug)
            listed.append(Section(title, (Page(path, title, html, wide=True), *map(make_page, items.values()))))
    return listed


def _find_figure(item: Item | None) -> dict[str, str]:
    """Return the picture that stands for a lecture in the table."""
    if item is None or not item.shown.figures:
        return {}
    figure = item.shown.figures[0]
    return {
        "path": f"{item.path.rpartition('/')[0]}/{figure.name}",
        "words": f"A figure of the lecture: {item.shown.subject}",
    }


def _make_index(name: str, title: str, documents: Mapping[str, str], pages: Sequence[Page]) -> Page:
    path = f"{name}/index"
    entries = [(page.title, f"{page.path}.html", about) for page, about in zip(pages, documents.values(), strict=True)]
    assert [page.path for page in pages] == [name_page(document) for document in documents]
    return Page(path, title, fill("documents.html", path, title=title, entries=entries), wide=True)
