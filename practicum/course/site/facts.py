"""What the description of a semester says for its page, as a stage can be given it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Session:
    """One session of the course; "" for what it does not have.

    date: "2027-02-22". lecture, practical, project: names in the content. title: of a session without a lecture.
    slides, handout, video: addresses.
    """

    date: str = ""
    lecture: str = ""
    practical: str = ""
    project: str = ""
    title: str = ""
    slides: str = ""
    handout: str = ""
    video: str = ""


@dataclass(frozen=True)
class Facts:
    """The course. slug: of its folder in a student's home. info: an address. links: name -> address."""

    code: str
    title: str
    institution: str
    semester: str
    slug: str
    info: str = ""
    thanks: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    sessions: tuple[Session, ...] = ()

    @property
    def name(self) -> str:
        """Return code and title: "EE-559 Deep Learning"."""
        return f"{self.code} {self.title}"

    @property
    def season(self) -> str:
        """Return the semester as one says it: "spring 2027"."""
        year, *words = self.semester.split("-")
        return " ".join([*words, year])


def read_facts(given: Mapping[str, Any]) -> Facts:
    """Return the facts from what `practicum.semester.settings.describe_site` gives."""
    sessions = tuple(Session(**session) for session in given.get("sessions", ()))
    return Facts(**{**given, "sessions": sessions})
