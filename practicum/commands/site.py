"""`practicum site`: the course's page, as a folder that any web server, or none, can show."""

from pathlib import Path

from practicum.commands.downloads import Published, make_download, make_notes, make_start
from practicum.course.content import assemble
from practicum.course.site.facts import read_facts
from practicum.course.site.generator import write_site
from practicum.course.site.overview import make_site
from practicum.engine import cache
from practicum.engine.progress import Console
from practicum.engine.publish import move_folder
from practicum.semester.description import Semester
from practicum.semester.settings import describe_site


def write_page(semester: Semester, published: Published | None, console: Console) -> Path:
    """Write dist/<id>/site, which appears when it is complete, in the place of an earlier one; return it.

    published: the release that the page offers, None for none. The same files give the same bytes. Raises
    PracticumError when a part of the content or of docs/ cannot be read.
    """
    target = semester.root / "dist" / semester.id / "site"
    beside = target.with_name(".site.new")
    cache.remove_tree(beside)
    try:
        with cache.work_folder("site") as work:
            console.say("assembling the content")
            content = work / "content"
            wanted = semester.content
            assemble(semester.content_root, wanted.include, content, solutions=wanted.solutions)
            console.say("writing the pages")
            site = make_site(
                read_facts(describe_site(semester)),
                content,
                semester.root,
                run=published.run if published else {},
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
        cache.remove_tree(beside)
    return target
