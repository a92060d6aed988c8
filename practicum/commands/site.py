"""`practicum site`: the course's page, as a folder that any web server, or none, can show."""

import shutil
from pathlib import Path

from practicum.commands.downloads import Published, make_download, make_notes, make_start
from practicum.course.content import assemble
from practicum.course.site.documents import list_documents
from practicum.course.site.facts import read_facts
from practicum.course.site.generator import write_site
from practicum.course.site.overview import make_site
from practicum.engine import cache
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.engine.publish import move_folder
from practicum.semester.description import Semester
from practicum.semester.lectures import find_lectures
from practicum.semester.settings import describe_site, list_special_commands

MARK = "assets/course.css"
"""The file by which a site is known to be one."""


def place_page(semester: Semester) -> Path:
    """Return where the page appears unless another folder is named."""
    return semester.dist / "site"


def write_page(semester: Semester, published: Published | None, target: Path, console: Console) -> None:
    """Write the page into `target`, which appears when it is complete, in the place of an earlier one.

    published: the release that the page offers, None for none. The same files give the same bytes. Raises
    PracticumError when `target` is something else, or when a part of the content or of docs/ cannot be read.
    """
    if target.exists() and not (target / MARK).is_file():
        raise PracticumError(str(target), "something else is there", "name a new folder, or one that has a site")
    beside = target.with_name(f".{target.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with cache.work_folder("site") as work:
            console.say("assembling the content")
            content = work / "content"
            wanted = semester.content
            assemble(semester.content_root, wanted.include, content, solutions=False)
            console.say("writing the pages")
            site = make_site(
                read_facts(describe_site(semester)),
                content,
                semester.checkout,
                students=list_documents(semester.checkout, list_special_commands(semester)).students,
                run={**(published.run if published else {}), **find_lectures(semester).read()},
                download=make_download(published),
                files={f"release/{name}": data for name, data in published.files.items()} if published else {},
                start=make_start(published) if published else "",
                last=[make_notes(published)] if published and published.texts else [],
            )
            (work / "generator").mkdir()
            beside.parent.mkdir(parents=True, exist_ok=True)
            write_site(site, beside, work / "generator")
        move_folder(beside, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
