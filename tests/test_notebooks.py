"""Notebooks: text in git, `.ipynb` for students; and those of the course as they come out."""

import ast
import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

import jupytext
import nbformat
import pytest
from checkout import ROOT, SEMESTER
from markdown_it import MarkdownIt
from packaging.version import Version

from practicum.commands.content import make_content
from practicum.course import notebooks
from practicum.course.site.notebook import show
from practicum.engine.errors import PracticumError
from practicum.semester.description import load
from practicum.wheels.lockfile import read_lock

COURSE_CONTENT = ROOT / "course_content"
SOURCES = sorted(COURSE_CONTENT.rglob("*.nb.py"))
LECTURES = [path for path in SOURCES if path.parent.name == "lectures"]
BRITISH = ("colour", "centre", "neighbour", "grey", "normalis", "labell", "behaviour", "optimis", "initialis", "learnt")
PARSER = MarkdownIt("commonmark").enable("table")
TEXT = """# %% [markdown]
# # A title
#
# Words.

# %%
# %matplotlib inline
x = 1

# %%
# !course-check 1

# %%
x = 1
"""


def read_cells(path: Path, kind: str) -> list[str]:
    """Return the texts of the cells of this kind, "markdown" or "code", of a source."""
    notebook = jupytext.reads(path.read_text(), fmt="py:percent")
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def write(folder: Path, text: str) -> Path:
    path = folder / "some.nb.py"
    path.write_text(text)
    return path


def test_cells_come_out_as_they_were_written(tmp_path: Path) -> None:
    notebook = json.loads(notebooks.build(write(tmp_path, TEXT)))
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    assert cells == [
        ("markdown", "# A title\n\nWords."),
        ("code", "%matplotlib inline\nx = 1"),
        ("code", "!course-check 1"),
        ("code", "x = 1"),
    ]
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "jupytext" not in notebook["metadata"]


def test_same_text_gives_the_same_bytes_and_a_cell_keeps_its_name(tmp_path: Path) -> None:
    first = notebooks.build(write(tmp_path, TEXT))
    assert notebooks.build(write(tmp_path, TEXT)) == first
    longer = notebooks.build(write(tmp_path, TEXT.replace("# %%\n# !course", "# %%\ny = 2\n\n# %%\n# !course")))
    names = [{cell["id"] for cell in json.loads(data)["cells"]} for data in (first, longer)]
    assert names[0] < names[1]


def test_a_repeated_cell_has_a_name_of_its_own(tmp_path: Path) -> None:
    cells = json.loads(notebooks.build(write(tmp_path, "# %%\nx = 1\n\n# %%\nx = 1\n")))["cells"]
    assert cells[0]["id"] != cells[1]["id"]


@pytest.mark.parametrize(("text", "reason"), [("x = 1\n", "no cell begins in its first line"), ("", "no cell begins")])
def test_text_that_is_no_notebook_is_one_line(tmp_path: Path, text: str, reason: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(PracticumError, match=re.escape(f"{path}: {reason}")):
        notebooks.build(path)


def test_text_that_is_not_utf8_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "some.nb.py"
    path.write_bytes(b"# %%\nx = '\xe9'\n")
    with pytest.raises(PracticumError, match=r"save it as readable UTF-8 text$"):
        notebooks.build(path)


def test_names() -> None:
    assert notebooks.built_name(PurePosixPath("a/b.nb.py")) == PurePosixPath("a/b.ipynb")
    assert notebooks.built_name(PurePosixPath("a/b.py")) == PurePosixPath("a/b.py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_notebooks_of_the_course(path: Path) -> None:
    notebook: Any = nbformat.reads(notebooks.build(path).decode(), as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.source.strip(), "an empty cell"
            assert cell.outputs == [] and cell.execution_count is None
            parse_code(cell.source)


FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$]+?\$", re.DOTALL)
MARK = re.compile(r"\s*(#{1,6}(\s|$)|[-+*](\s|$)|>|<|\||\d+[.)](\s|$)|(=+|-{2,})\s*$)")
"""How a line begins that starts something else than one more line of its paragraph, or would in another renderer."""

UNWANTED = {"code_block": "code", "html_block": "HTML", "blockquote_open": "a quotation", "hr": "a rule"}
UNRENDERED = re.compile(r"[*_`$|]|\]\(")


def find_broken_text(text: str) -> list[str]:
    """Return what a cell of Markdown shows otherwise than it was meant, one line for each place.

    Inside a paragraph, no line begins like a list, a heading or a table; formulas are whole; a list counts 1, 2, 3; and
    no sign of Markdown is left over as text.
    """
    lines = text.split("\n")
    found = [
        f"in a formula: {line}" for each in FORMULA.findall(text) for line in each.split("\n")[1:] if MARK.match(line)
    ]
    found += [f"a formula over paragraphs: {each}" for each in FORMULA.findall(text) if "\n\n" in each]
    counts = [0]
    for token in PARSER.parse(FORMULA.sub(lambda formula: re.sub(r"[^\n]", "x", formula[0]), text)):
        first, last = token.map or (0, 0)
        if token.type in UNWANTED:
            found.append(f"{UNWANTED[token.type]}: {lines[first]}")
        elif token.type == "paragraph_open":
            found += [f"in a paragraph: {line}" for line in lines[first + 1 : last] if MARK.match(line)]
        elif token.type == "heading_open":
            found += [f"a heading: {lines[first]}"] if is_joined(lines, first) or token.markup in "=-" else []
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            found += [f"a list: {lines[first]}"] if is_joined(lines, first) else []
            counts.append(0)
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            counts.pop()
        elif token.type == "list_item_open":
            counts[-1] += 1
            found += [f"item {counts[-1]}: {lines[first]}"] if token.info not in ("", str(counts[-1])) else []
            found += [f"an item: {lines[first]}"] if re.match(r"\s*[-+*]\s+[\d=<>+*/-]", lines[first]) else []
        found += [f"left over: {part.content}" for part in token.children or () if is_left_over(part)]
    return found


def is_joined(lines: list[str], place: int) -> bool:
    """Return whether the line at `place` comes directly below text, which is no heading."""
    return place > 0 and bool(lines[place - 1].strip()) and not lines[place - 1].startswith("#")


def is_left_over(part: Any) -> bool:
    """Return whether `part` of a line is HTML, or text with signs that Markdown should have taken."""
    return part.type == "html_inline" or (part.type == "text" and bool(UNRENDERED.search(part.content)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A sum 2\n- 8 of it.", "a list: - 8 of it."),
        ("- A list\n- 8 of it.", "an item: - 8 of it."),
        ("All\n1. Then", "a list: 1. Then"),
        ("All\n10. Then", "in a paragraph: 10. Then"),
        ("1. One\n3. Three", "item 2: 3. Three"),
        ("A\n# comment", "a heading: # comment"),
        ("A sum a\n+ b", "a list: + b"),
        ("A product a\n* b", "a list: * b"),
        ("It is\n> 0", "a quotation: > 0"),
        ("Words\n===", "a heading: Words"),
        ("Words\n---", "a heading: Words"),
        ("The norm\n| x |", "in a paragraph: | x |"),
        ("Words:\n\n    x = 1", "code:     x = 1"),
        ("Where a <b and c> d", "left over: <b and c>"),
        ("Where a\n<b", "in a paragraph: <b"),
        ("a_ * b", "left over: a_ * b"),
        ("$a_1 * b_1$ and $c", "left over: xxxxxxxxxxx and $c"),
        ("$$a\n+ b$$", "in a formula: + b$$"),
        ("$a\n\nb$", "a formula over paragraphs: $a\n\nb$"),
        ("**Bold** and *this*, `x * y`, $a_1 * b_1$ and $\\lambda\n\\|w\\|$.\n\n1. One,\n   more\n2. [two](a.md)", ""),
    ],
)
def test_text_that_renders_otherwise_is_found(text: str, found: str) -> None:
    assert (find_broken_text(text) or [""])[0] == found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_text_renders_as_it_was_meant(path: Path) -> None:
    assert [line for text in read_cells(path, "markdown") for line in find_broken_text(text)] == []


def parse_code(source: str) -> ast.Module:
    """Return the program of a cell, without the lines that are Jupyter's."""
    return ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_figures_come_with_words(path: Path) -> None:
    """The executed lecture is looked at by smoke_tests/content/test_lectures.py."""
    for source in read_cells(path, "code"):
        calls = [call for call in ast.walk(parse_code(source)) if isinstance(call, ast.Call)]
        names = [ast.unparse(call.func) for call in calls]
        assert "plt.show" not in names, f"prologue.show shows a figure with words:\n{source}"
        words = [call.args[0] for call, name in zip(calls, names, strict=True) if name == "prologue.show"]
        assert len(words) == sum(name in ("plt.figure", "plt.subplots") for name in names), source
        for each in words:
            assert isinstance(each, ast.Name) or 30 <= len(ast.unparse(each)) <= 260, ast.unparse(each)


@pytest.mark.parametrize("path", LECTURES, ids=lambda path: path.name)
def test_form_of_a_lecture(path: Path) -> None:
    """Lines of code fit a page, sections are numbered, and the questions at the end are a numbered list."""
    assert [line for source in read_cells(path, "code") for line in source.split("\n") if len(line) > 100] == []
    texts = read_cells(path, "markdown")
    sections = re.findall(r"^## (.*)$", "\n".join(texts), re.MULTILINE)
    assert [section.partition(".")[0] for section in sections] == [*map(str, range(1, len(sections))), "Try"]
    assert re.match(r"## Try\n\n1\. ", texts[-1])
    assert not [word for word in BRITISH if re.search(rf"\b{word}", path.read_text(), re.IGNORECASE)]


@pytest.mark.parametrize("number", range(1, 7))
def test_a_practical_is_checked_from_its_notebook(number: int) -> None:
    path = COURSE_CONTENT / f"practicals/practical-{number}/practical-{number}.nb.py"
    assert f"!course-check {number}" in read_cells(path, "code")


def test_words_of_a_figure_come_to_the_page() -> None:
    picture = {"output_type": "display_data", "data": {"image/png": ""}, "metadata": {"image/png": {"alt": "A <line>"}}}
    cells = [{"cell_type": "code", "source": "draw()", "outputs": [picture]}]
    assert 'alt="A &lt;line&gt;"' in show(json.dumps({"cells": cells}).encode(), "some", str).html


def test_no_notebook_is_kept_as_json() -> None:
    assert not [*COURSE_CONTENT.rglob("*.ipynb")], "keep it as text: jupytext --to py:percent, named .nb.py"


@pytest.fixture(scope="module")
def student_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of the content, with solutions."""
    folder = tmp_path_factory.mktemp("content") / "ee559"
    make_content(load(ROOT / "semesters" / SEMESTER), folder, solutions=True)
    return folder


def links_of(path: Path) -> list[str]:
    text = path.read_text()
    if path.suffix == ".ipynb":
        text = "\n".join("".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "markdown")
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"https?:|#|/static/docs/", link)]


def test_links_lead_to_files_that_students_have(student_copy: Path) -> None:
    pages = [path for path in student_copy.rglob("*") if path.suffix in (".md", ".ipynb")]
    broken = [
        f"{page.relative_to(student_copy)} -> {link}"
        for page in pages
        for link in links_of(page)
        if not (page.parent / link.partition("#")[0]).exists()
    ]
    assert not broken


def test_landing_page_leads_to_every_notebook(student_copy: Path) -> None:
    listed = {(student_copy / link).resolve() for link in links_of(student_copy / "index.md")}
    there = {path.resolve() for path in student_copy.rglob("*.ipynb") if "solutions" not in path.parts}
    assert there <= listed, sorted(str(path) for path in there - listed)


def test_landing_page_names_the_locked_torch(student_copy: Path) -> None:
    lock = read_lock(ROOT / "semesters" / SEMESTER / "python-cpu.lock")
    (torch,) = [Version(package.version).public for package in lock if package.name == "torch"]
    assert f"this is PyTorch {torch} with torchvision" in (student_copy / "index.md").read_text()
    assert not [page for page in student_copy.rglob("*.md") if "{{" in page.read_text()]


def test_lectures_are_eleven(student_copy: Path) -> None:
    numbers = [int(path.name.split("-")[1]) for path in sorted((student_copy / "lectures").glob("lecture-*.ipynb"))]
    assert numbers == [*range(1, 12)]
