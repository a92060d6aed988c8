"""The sessions of a course, as `[[course.sessions]]` of semester.toml lists them."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from practicum.semester.toml_errors import quote, suggest
from practicum.semester.values import Line, PageAddress, make_mistake


def _check_day(value: Any) -> Any:
    if type(value) is not datetime.date:
        raise make_mistake("is no date", "write it without quotes, like 2027-02-22")
    return value


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
        for kind in ("lecture", "practical", "project"):
            name = getattr(session, kind)
            known = _list_names(content / f"{kind}s")
            if name and name not in known:
                cure = suggest(name, known, f"what is there: {', '.join(known) or 'nothing'}")
                yield f"course.sessions[{index}].{kind} = {quote(name)}: not in course_content/{kind}s; {cure}"


def _list_names(folder: Path) -> list[str]:
    """Return the names that sessions may have: of folders, and of notebooks without their suffix."""
    return sorted({path.name.split(".")[0] for path in folder.glob("[!.]*")})
