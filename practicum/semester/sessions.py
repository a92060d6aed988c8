"""What semester.toml says of the course's weeks: its sessions, addresses, thanks, and the dates of solutions."""

import datetime
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from practicum.semester.toml_errors import quote, suggest
from practicum.semester.values import Line, make_mistake, refuse_templates


def _check_day(value: Any) -> Any:
    if type(value) is not datetime.date:
        raise make_mistake("is no date", "write it without quotes, like 2027-02-22")
    return value


def _check_text(value: str) -> str:
    if not value.strip() or not value.isprintable() or len(value) > 500:
        raise make_mistake("must be one line of 1 to 500 visible characters", "shorten it, and remove line breaks")
    return refuse_templates(value)


def _check_page(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"https?://[!-~]+", value):
        raise make_mistake("is no web address", 'write it like "https://HOST/page"')
    return refuse_templates(value)


def _check_registry(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+", value):
        raise make_mistake("is no name of an image in a registry", 'write it like "HOST/GROUP/ee559", without a tag')
    return value


def _check_solutions(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if not isinstance(value, dict):
        raise make_mistake("must be true, false or a table of dates", 'write it like {"practical-1" = 2027-03-01}')
    for name, day in value.items():
        if type(day) is not datetime.date:
            raise make_mistake(
                f"{quote(name)} = {quote(day)} is no date", f'write it without quotes, like "{name}" = 2027-03-01'
            )
    return value


Text = Annotated[str, AfterValidator(_check_text)]
Registry = Annotated[str, AfterValidator(_check_registry)]
PageAddress = Annotated[str, BeforeValidator(_check_page)]
"""Of a page, which may have a query and a fragment."""

Solutions = Annotated[bool | dict[str, datetime.date], BeforeValidator(_check_solutions)]
"""Whether solutions come; a table names practicals, projects and lectures, and the day of the solutions of each."""

KINDS = ("lecture", "practical", "project")


class Session(BaseModel):
    """One session. lecture, practical and project name parts of course_content/; what is not known yet is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    date: Annotated[datetime.date | None, BeforeValidator(_check_day)] = Field(default=None, description="its day")
    title: Line | None = Field(default=None, description="its title, in place of the lecture's")
    lecture: Line | None = Field(default=None, description="its lecture", examples=["lecture-01-tensors"])
    practical: Line | None = Field(default=None, description="its practical", examples=["practical-1"])
    project: Line | None = Field(default=None, description="its project", examples=["pairs"])
    slides: PageAddress | None = Field(default=None, description="address of its slides")
    handout: PageAddress | None = Field(default=None, description="address of its handout")
    video: PageAddress | None = Field(default=None, description="address of its recording")

    @model_validator(mode="after")
    def _refuse_nothing(self) -> "Session":
        if not (self.title or self.lecture or self.practical or self.project):
            raise make_mistake("a session of nothing", "name its lecture, practical or project, or give it a title")
        return self


def check_sessions(sessions: tuple[Session, ...], content: Path) -> Iterator[str]:
    """Give a line for each lecture, practical or project that is not in the folder `content`."""
    for index, session in enumerate(sessions):
        for kind in KINDS:
            name = getattr(session, kind)
            known = _list_names(content / f"{kind}s")
            if name and name not in known:
                cure = suggest(name, known, f"what is there: {', '.join(known) or 'nothing'}")
                yield f"course.sessions[{index}].{kind} = {quote(name)}: not in course_content/{kind}s; {cure}"


def check_solutions(solutions: bool | Mapping[str, datetime.date], content: Path) -> Iterator[str]:
    """Give a line for each name that is no practical, project or lecture in the folder `content`."""
    known = [name for kind in KINDS for name in _list_names(content / f"{kind}s")]
    for name in {} if isinstance(solutions, bool) else solutions:
        if name not in known:
            cure = suggest(name, known, f"what is there: {', '.join(known) or 'nothing'}")
            yield f"content.solutions: {quote(name)} is no practical, project or lecture of course_content/; {cure}"


def _list_names(folder: Path) -> list[str]:
    """Return the names that sessions may have: of folders, and of notebooks without their suffix."""
    return sorted({path.name.split(".")[0] for path in folder.glob("[!.]*")} - {"solutions"})
