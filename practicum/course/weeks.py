"""The course's weeks in Markdown, on the landing page and beside the lectures: sessions with their dates, and links."""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from practicum.course.site.facts import Facts, Session

PAGE = "lectures/sessions.md"
"""The page of the content with the table of sessions, beside the lectures."""

ADDRESSES = ("slides", "handout", "video")
COLUMNS = ("date", "lecture", "your work", "to take along")


@dataclass(frozen=True)
class Weeks:
    """What pages show of the sessions and links of a course.

    titles: of the content's notebooks, by path; the table of sessions leads to nothing else.
    """

    facts: Facts
    titles: Mapping[str, str]

    def fill_in(self, page: bytes, path: str) -> bytes:
        """Return the Markdown page of the path `path` with the sessions and links in their places."""
        sessions = self.render_sessions(posixpath.dirname(path))
        shown = {
            b"{{ sessions }}": f"## Sessions\n\n{sessions}".rstrip() if sessions else "",
            b"{{ links }}": self.render_links(),
        }
        for place, text in shown.items():
            page = page.replace(place, text.encode())
        return page

    def make_page(self) -> bytes:
        """Return the page beside the lectures, empty where there is nothing to show or no lecture."""
        table = self.render_sessions(posixpath.dirname(PAGE))
        if not table or not any(path.startswith("lectures/") for path in self.titles):
            return b""
        return f"# {escape(self.facts.name)}: sessions\n\n{table}\n{self.render_links()}".rstrip().encode() + b"\n"

    def render_links(self) -> str:
        """Return the course's other pages in a line, "" for none."""
        links = {**({"the course's announcement": self.facts.info} if self.facts.info else {}), **self.facts.links}
        return " · ".join(link(name, address) for name, address in links.items())

    def render_sessions(self, folder: str) -> str:
        """Return the table of sessions for a page in `folder`, "" where no session has a date or an address."""
        if not any(session.date or list_addresses(session) for session in self.facts.sessions):
            return ""
        return render_table([self.make_row(session, folder) for session in self.facts.sessions])

    def make_row(self, session: Session, folder: str) -> tuple[str, ...]:
        """Return a line of the table, a text for each of COLUMNS."""
        lecture = self.show_notebook(f"lectures/{session.lecture}", session.title, folder)
        places = [f"{kind}s/{name}" for kind in ("practical", "project") if (name := getattr(session, kind))]
        return (
            session.date,
            lecture if session.lecture else escape(session.title),
            ", ".join(self.show_notebook(place, "", folder) for place in places),
            " ".join(link(name, address) for name, address in list_addresses(session).items()),
        )

    def show_notebook(self, place: str, title: str, folder: str) -> str:
        """Return the notebook at `place` as a link, a title alone where the content has none.

        place: path of a folder, or of a notebook without its suffix. title: in place of the notebook's own.
        """
        found = [path for path in sorted(self.titles) if path == f"{place}.ipynb" or posixpath.dirname(path) == place]
        if not found:
            return escape(title or posixpath.basename(place))
        return link(title or self.titles[found[0]], posixpath.relpath(found[0], folder or "."))


def read_title(source: Path) -> str:
    """Return the first heading of a notebook, a `.nb.py` file; the name of another file."""
    heading = re.search(r"^# # (.+)$", source.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    return heading[1] if heading else source.name.split(".")[0]


def list_addresses(session: Session) -> dict[str, str]:
    """Return the addresses that a session has, by what lies there."""
    return {name: address for name in ADDRESSES if (address := getattr(session, name))}


def render_table(rows: Sequence[Sequence[str]]) -> str:
    """Return the Markdown table of the COLUMNS that have an entry."""
    kept = [place for place in range(len(COLUMNS)) if any(row[place] for row in rows)]
    lines = [[COLUMNS[place] for place in kept], ["---"] * len(kept), *([row[place] for place in kept] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def link(words: str, address: str) -> str:
    """Return a Markdown link."""
    plain = re.sub(r"[()<>|\\ ]", lambda letter: f"%{ord(letter[0]):02X}", address)
    return f"[{escape(words)}]({plain})"


def escape(words: str) -> str:
    """Return `words` so that Markdown shows each of their characters."""
    return re.sub(r"([\\`*_{}\[\]<>|#~$])", r"\\\1", words)
