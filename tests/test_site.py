"""The course's page: what it says of a small course, its links and formulas, and what a release adds to it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import small_release
from checkout import ROOT

from practicum.architecture import AMD64, ARM64
from practicum.commands.site import place_page
from practicum.course.site.content import make_page as make_item_page
from practicum.course.site.content import read_content
from practicum.course.site.documents import ASSISTANTS, STUDENTS
from practicum.course.site.facts import Facts, Session, read_facts
from practicum.course.site.markdown import render
from practicum.course.site.notebook import show
from practicum.course.site.overview import list_rows
from practicum.course.site.page import link
from practicum.engine.cache import hash_tree
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.release.record import FILE, NAMED, Record, write_record
from practicum.release.site import make_page, read_release
from practicum.semester.description import Semester, load

TOML = """
[course]
code = "TT-1"
title = "Small & short"
institution = "Nowhere"
semester = "2027-spring"
info = "https://host/info"
thanks = "Thanks to everybody."

[course.links]
forum = "https://host/forum?id=1"

[[course.sessions]]
date = 2027-02-22
lecture = "lecture-01-lines"
practical = "practical-1"
slides = "https://host/slides.pdf"

[[course.sessions]]
title = "Guests"

[debian]
suite = "bookworm"
[python]
requires = ["torch==2.13.0", "torchvision==0.28.0"]
[content]
include = ["lectures", "practicals"]
[release]
address = "https://host/releases/"
registry = "registry.host/group/tt1"
"""

LECTURE = """\
# %% [markdown]
# # Lecture 1: lines of $x^2$
#
# Look at <b>this</b>: [the forum](https://host/), [its file](lecture-01-lines.ipynb), [elsewhere](../index.md).
#
# ## 1. A line
#
# $$\\\\frac{1}{2} \\\\|x\\\\|$$

# %%
print("<b>")

# %% [markdown]
# ## Try
"""

NOTHING = Facts("TT-1", "Small", "Nowhere", "2027-spring", "tt1")


@pytest.fixture
def semester(tmp_path: Path) -> Semester:
    """A checkout with one lecture, one practical with its solution, and the documents of this one."""
    content = tmp_path / "course_content"
    (content / "lectures").mkdir(parents=True)
    (content / "practicals/practical-1/solutions").mkdir(parents=True)
    (content / "lectures/lecture-01-lines.nb.py").write_text(LECTURE.replace("\\\\", "\\"))
    (content / "lectures/timeline.md").write_text("# Dates of $x$\n\n## 1. Ideas\n\nNone, [see](index.md).\n")
    (content / "practicals/practical-1/practical-1.nb.py").write_text(
        "# %% [markdown]\n# # Practical 1: lines\n#\n# Draw.\n"
    )
    (content / "practicals/practical-1/practical_1.py").write_text("def draw(): ...\n")
    (content / "practicals/practical-1/solutions/practical_1.py").write_text("SECRET = 1\n")
    for name in ("docs", "README.md", "CONTRIBUTING.md", "docker"):
        (tmp_path / name).symlink_to(ROOT / name)
    folder = tmp_path / "semesters/2027-spring"
    folder.mkdir(parents=True)
    (folder / "semester.toml").write_text(TOML)
    return load(folder)


@pytest.fixture
def console() -> Iterator[Console]:
    with Console(plain=True) as console:
        yield console


def test_every_document_is_for_somebody() -> None:
    listed = {*STUDENTS, *ASSISTANTS}
    assert not {*STUDENTS} & {*ASSISTANTS}
    assert listed == {f"docs/{path.name}" for path in ROOT.glob("docs/*.md")} | {"README.md", "CONTRIBUTING.md"}


def test_page_of_a_course_without_a_release(semester: Semester, console: Console) -> None:
    site = make_page(semester, None, None, console)
    assert site == place_page(semester) == semester.course_root / "dist/2027-spring/site"
    home = (site / "index.html").read_text()
    assert "<h1>TT-1 Small &amp; short</h1>" in home and "Nowhere, spring 2027" in home
    assert 'href="https://host/info"' in home and 'href="https://host/forum?id=1">forum</a>' in home
    assert "Thanks to everybody." in home
    assert '<h2 id="1-ideas">1. Ideas</h2>' in (site / "lectures/timeline.html").read_text()
    lectures = (site / "lectures/index.html").read_text()
    assert 'href="timeline.html">Dates of x</a>' in lectures and "lectures/sessions" not in lectures
    assert not (site / "lectures/sessions.html").exists(), "the page of all lectures has its table"
    assert "Monday, 22 February 2027" in lectures and "Guests" in lectures and "A line" in lectures
    assert (
        'href="https://host/slides.pdf"' in lectures and 'href="../practicals/practical-1/statement.html"' in lectures
    )
    assert "Nothing was released yet." in (site / "download.html").read_text()
    assert not (site / "projects").exists()
    assert not [
        path
        for path in site.rglob("*")
        if "solutions" in path.parts or b"SECRET" in ((path.is_file() and path.read_bytes()) or b"")
    ]


def test_the_same_files_give_the_same_bytes_and_no_date(
    semester: Semester, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = semester.course_root / "dist/2027-spring/release"
    small_release.make_release(release, architectures=(AMD64, ARM64))
    first = hash_tree(make_page(semester, None, None, console))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5")
    site = make_page(semester, None, None, console)
    assert hash_tree(site) == first
    assert not [path for path in site.rglob("*") if path.suffix in (".gz", ".map") or path.name == "sitemap.xml"]
    assert not list(site.parent.glob(".site.*"))


def test_downloads_of_a_release(semester: Semester, console: Console) -> None:
    folder = semester.course_root / "dist/2027-spring/release"
    record = small_release.make_release(folder, architectures=(AMD64, ARM64))
    page = (make_page(semester, None, None, console) / "download.html").read_text()
    for name, product in record.products.items():
        assert product.sha256 in page and f'href="https://host/releases/2027-spring/{product.file}"' in page
        if NAMED[name][0] != "appliance":
            assert f"registry.host/group/tt1@{product.index}" in page
    assert "nobody vouches for it" in page
    assert page.index('data-for="amd64"') < page.index('data-for="arm64"') < page.index('data-for="docker"')


def test_files_of_a_release_without_an_address_are_beside(semester: Semester, console: Console, tmp_path: Path) -> None:
    (semester.folder / "semester.toml").write_text(TOML[: TOML.index("[release]")])
    small_release.make_release(tmp_path / "out/release")
    site = make_page(load(semester.folder), tmp_path / "out/release", tmp_path / "public", console)
    page = (site / "download.html").read_text()
    for address in re.findall(r'href="([^"]*\.ova)"', page):
        assert (site / address).resolve() == tmp_path / "out/release" / Path(address).name
    assert "REGISTRY/tt1@sha256:" in page and "<code>REGISTRY</code> stands for" in page


def test_a_lecture_that_was_run_shows_what_it_printed(semester: Semester, console: Console) -> None:
    folder = semester.course_root / "dist/2027-spring/release"
    small_release.make_release(folder)
    (folder / "report/lectures").mkdir()
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "<b>\n"},
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": "aGVsbG8=", "text/plain": "Figure"}},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\x1b[31mwrong\x1b[0m"]},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Lecture 1: lines\n", "\n", "## 1. A line\n"]},
        {"cell_type": "code", "source": "print('<b>')", "outputs": outputs},
    ]
    (folder / "report/lectures/lecture-01-lines.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}))
    site = make_page(semester, None, None, console)
    page = (site / "lectures/lecture-01-lines.html").read_text()
    assert "<samp>&lt;b&gt;</samp>" in page and "<samp>wrong</samp>" in page
    assert 'alt="Figure 1, which the program above draws: A line"' in page
    assert (site / "lectures/lecture-01-lines-1.png").read_bytes() == b"hello"
    assert "lecture-01-lines-1.png" in (site / "lectures/index.html").read_text()
    assert (site / "lectures/lecture-01-lines.ipynb").read_text() != json.dumps({"cells": cells, "nbformat": 4})


def test_another_folder_is_left_alone(semester: Semester, console: Console, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with pytest.raises(PracticumError, match="something else is there; name a new folder"):
        make_page(semester, None, tmp_path / "home", console)


def test_a_folder_that_is_no_release_of_the_semester(semester: Semester, tmp_path: Path) -> None:
    with pytest.raises(PracticumError, match="holds no release; run: make release SEMESTER=2027-spring"):
        read_release(semester, tmp_path, "")
    record = Record(semester="2027-autumn", number=1, revision="0" * 40, created="2027-01-01T00:00:00Z", products={})
    (tmp_path / FILE).write_text(write_record(record))
    with pytest.raises(PracticumError, match="is a release of 2027-autumn; run: practicum site 2027-autumn"):
        read_release(semester, tmp_path, "")


def test_sessions_are_the_lectures_where_none_are_described(tmp_path: Path) -> None:
    (tmp_path / "lectures").mkdir()
    for name in ("lecture-02-b", "lecture-01-a"):
        (tmp_path / f"lectures/{name}.ipynb").write_text(json.dumps({"cells": []}))
    content = read_content(tmp_path, {})
    assert [row.lecture.name for row in list_rows(NOTHING, content) if row.lecture] == ["lecture-01-a", "lecture-02-b"]
    described = read_facts({**vars(NOTHING), "sessions": [{"title": "Guests", "date": "2027-05-03"}]})
    (row,) = list_rows(described, content)
    assert (row.day, row.session.title, row.lecture) == ("Monday, 3 May 2027", "Guests", None)
    assert isinstance(row.session, Session)


def test_notebook_keeps_its_formulas_and_shows_no_html() -> None:
    source = "# Lecture 1: lines of $x_1$\n\nA <b>bold</b> \\$5 and $\\|a\\|^2$.\n\n$$\\frac{1}{2}$$\n"
    shown = show(
        json.dumps({"cells": [{"cell_type": "markdown", "source": source}]}).encode(), "l", lambda address: address
    )
    assert shown.title == "Lecture 1: lines of x_1" and shown.subject == "Lines of x_1"
    assert "&lt;b&gt;" in shown.html and "<b>" not in shown.html
    assert 'class="math' not in shown.html, "Material lets what has the class inline float"
    assert shown.html.count("<math") == 3 and 'display="block"' in shown.html and "$5" in shown.html


def test_headings_have_the_ids_of_the_hosts_and_no_id_twice() -> None:
    body = render("# A `b` c: d!\n\n## Same\n\n## Same\n", lambda address: address)
    assert [heading.id for heading in body.headings] == ["a-b-c-d", "same", "same-1"]


def test_links_that_lead_nowhere_become_text() -> None:
    known = {"student.md": "student.html", "console.png": "console.png"}
    text = "[here](student.md), [gone](gone.md), ![seen](console.png), ![unseen](x.png)"
    body = render(text, known.get)
    assert '<a href="student.html">here</a>, gone, <img src="console.png" alt="seen"' in body.html
    assert body.html.rstrip().endswith(", unseen</p>")


def test_addresses_are_relative() -> None:
    assert link("index", "docs/student.html") == "docs/student.html"
    assert link("docs/student", "docs/docker.html", "start") == "docker.html#start"
    assert link("practicals/practical-1/statement", "download.html") == "../../download.html"


def test_a_project_s_files_come_with_their_folders_and_without_solutions(tmp_path: Path) -> None:
    project = tmp_path / "projects/noise"
    for name in ("test.py", "Miniproject_1/model.py", "Miniproject_2/model.py", "solutions/test.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("pass\n")
    notebook = {"cells": [{"cell_type": "markdown", "metadata": {}, "source": "# Noise"}], "metadata": {}}
    (project / "statement.ipynb").write_text(json.dumps({**notebook, "nbformat": 4, "nbformat_minor": 5}))
    item = read_content(tmp_path, {}).projects["noise"]
    shown = re.findall(r"download>([^<]*)<", make_item_page(item).html)
    assert shown == ["Miniproject_1/model.py", "Miniproject_2/model.py", "statement.ipynb", "test.py"]
