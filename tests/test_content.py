"""The course's content as the student gets it."""

import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from practicum.commands.content import select_content
from practicum.course.content import assemble, publish
from practicum.course.site.facts import Facts, Session
from practicum.engine.errors import PracticumError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small course_content with everything that must not reach the student."""
    folder = tmp_path / "course_content"
    files = {
        "index.md": "start here",
        "practicals/practical-1/practical-1.ipynb": "{}",
        "practicals/practical-1/solutions/solution.py": "42",
        "practicals/practical-1/__pycache__/x.cpython-311.pyc": "cache",
        "practicals/practical-1/.ipynb_checkpoints/old.ipynb": "{}",
        "practicals/.DS_Store": "",
        "prologue/prologue.py": "pass",
        "tools/pyproject.toml": "",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def listed(out: Path) -> list[str]:
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


def test_only_the_included_parts_come_without_solutions(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assemble(source, ["practicals", "index.md"], out, solutions=False)
    assert listed(out) == ["index.md", "manifest.json", "practicals/practical-1/practical-1.ipynb"]


def test_page_names_the_versions_that_are_installed(source: Path, tmp_path: Path) -> None:
    """And the list of the files has the sum of what the student gets."""
    (source / "index.md").write_text("PyTorch {{ torch }}, {{ jupyter-server }}; {{braces}} {{ }} stay\n")
    out = tmp_path / "out"
    assemble(source, ["index.md"], out, solutions=False, versions={"torch": "2.10.0+cpu", "jupyter-server": "2.21.0"})
    text = (out / "index.md").read_bytes()
    assert text == b"PyTorch 2.10.0, 2.21.0; {{braces}} {{ }} stay\n"
    assert json.loads((out / "manifest.json").read_text())["files"] == {"index.md": hashlib.sha256(text).hexdigest()}


def test_content_release_is_named_in_the_manifest_and_on_pages(source: Path, tmp_path: Path) -> None:
    (source / "index.md").write_text("content release {{ content-release }} for torch {{ torch }}\n")
    release = {"course": "EE-559", "semester": "2027-spring", "release": 3}
    out = tmp_path / "out"
    assemble(source, ["index.md"], out, solutions=False, versions={"torch": "2.13.0"}, release=release)
    assert (out / "index.md").read_text() == "content release 3 for torch 2.13.0\n"
    manifest = json.loads((out / "manifest.json").read_text())
    assert {key: manifest[key] for key in release} == release
    assemble(source, ["index.md"], tmp_path / "raw", solutions=False, release=release)
    assert "{{ content-release }}" in (tmp_path / "raw/index.md").read_text(), "for a product to fill in"


def test_only_pages_name_versions(source: Path, tmp_path: Path) -> None:
    (source / "index.md").write_text("{{ torch }}")
    (source / "prologue/prologue.py").write_text("x = '{{ torch }}'")
    assemble(source, ["index.md", "prologue"], tmp_path / "out", solutions=False)
    assert (tmp_path / "out/index.md").read_text() == "{{ torch }}", "nothing is known of what is installed"
    assemble(source, ["prologue"], tmp_path / "other", solutions=False, versions={"torch": "2.13.0"})
    assert (tmp_path / "other/prologue/prologue.py").read_text() == "x = '{{ torch }}'"


def test_page_that_names_a_package_that_is_not_installed_is_one_line(source: Path, tmp_path: Path) -> None:
    (source / "index.md").write_text("{{ torhc }}")
    with pytest.raises(PracticumError) as caught:
        assemble(source, ["index.md"], tmp_path / "out", solutions=False, versions={"torch": "2.13.0"})
    assert str(caught.value) == (
        f"{source / 'index.md'}: {{{{ torhc }}}} stands for the version of a package that no lock names; "
        "name a package of python.requires"
    )


def test_dated_solutions_lie_apart_with_their_dates(source: Path, tmp_path: Path) -> None:
    (source / "practicals/practical-2/solutions").mkdir(parents=True)
    (source / "practicals/practical-2/solutions/solution.py").touch()
    (source / "lectures/solutions").mkdir(parents=True)
    (source / "lectures/solutions/lecture-01-tensors.py").touch()
    dates = {"practical-1": "2027-03-01", "lecture-01-tensors": "2027-02-22", "pairs": "2027-05-30"}
    assemble(source, ["practicals", "lectures"], tmp_path / "out", solutions=dates)
    assert [path for path in listed(tmp_path / "out") if "solutions" in path] == [
        ".dated/lectures/solutions/lecture-01-tensors.py",
        ".dated/practicals/practical-1/solutions/solution.py",
    ]
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["dates"] == {
        ".dated/lectures/solutions/lecture-01-tensors.py": "2027-02-22",
        ".dated/practicals/practical-1/solutions/solution.py": "2027-03-01",
    }
    assert manifest["dates"].keys() <= manifest["files"].keys()


def test_solutions_come_when_asked_for(source: Path, tmp_path: Path) -> None:
    assemble(source, ["practicals"], tmp_path / "out", solutions=True)
    assert "practicals/practical-1/solutions/solution.py" in listed(tmp_path / "out")


def test_the_manifest_tells_the_truth_and_is_the_same_every_time(source: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assemble(source, ["practicals", "index.md"], one, solutions=True)
    (source / "index.md").chmod(0o600)
    old = os.umask(0o077)
    try:
        assemble(source, ["index.md", "practicals/practical-1", "practicals"], two, solutions=True)
    finally:
        os.umask(old)
    assert (one / "manifest.json").read_bytes() == (two / "manifest.json").read_bytes()
    manifest = json.loads((one / "manifest.json").read_text())
    assert manifest["version"] == 1
    assert sorted([*manifest["files"], "manifest.json"]) == listed(one) == listed(two)
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((one / name).read_bytes()).hexdigest() == digest
    modes = {stat.S_IMODE(path.stat().st_mode) for path in two.rglob("*")}
    assert modes == {0o644, 0o755}


@pytest.mark.parametrize(
    ("include", "reason"),
    [
        (["nothing-here"], "'nothing-here' is not in .*; name one of index.md, practicals, prologue, tools"),
        (["../elsewhere"], "leaves"),
        (["/etc"], "leaves"),
        ([], "selects no file"),
        (["practicals/practical-1/solutions"], "selects no file"),
        (["practicals/practical-1/__pycache__/.."], "leaves"),
    ],
)
def test_a_wrong_include_is_one_line(source: Path, tmp_path: Path, include: list[str], reason: str) -> None:
    with pytest.raises(PracticumError, match=reason) as caught:
        assemble(source, include, tmp_path / "out", solutions=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_links_are_refused(source: Path, tmp_path: Path) -> None:
    (source / "practicals/secret").symlink_to("/etc/passwd")
    with pytest.raises(PracticumError, match="only plain files"):
        assemble(source, ["practicals"], tmp_path / "out", solutions=False)


def test_a_file_cannot_take_the_manifests_name(source: Path, tmp_path: Path) -> None:
    (source / "manifest.json").write_text("{}")
    with pytest.raises(PracticumError, match="rename it"):
        assemble(source, ["manifest.json"], tmp_path / "out", solutions=False)


def test_what_is_in_the_way_is_not_mixed_in(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old.txt").write_text("old")
    with pytest.raises(PracticumError, match="not empty"):
        assemble(source, ["practicals"], tmp_path / "out", solutions=False)


def test_a_notebook_comes_as_notebook_and_is_listed_as_such(source: Path, tmp_path: Path) -> None:
    (source / "practicals/other.nb.py").write_text("# %%\nx = 1\n")
    assemble(source, ["practicals"], tmp_path / "out", solutions=False)
    assert "practicals/other.ipynb" in listed(tmp_path / "out")
    assert "practicals/other.nb.py" not in listed(tmp_path / "out")
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    written = (tmp_path / "out/practicals/other.ipynb").read_bytes()
    assert manifest["files"]["practicals/other.ipynb"] == hashlib.sha256(written).hexdigest()


def test_two_files_of_one_name_are_refused(source: Path, tmp_path: Path) -> None:
    (source / "practicals/practical-1/practical-1.nb.py").write_text("# %%\nx = 1\n")
    with pytest.raises(
        PracticumError, match=r"practical-1\.ipynb: .*practical-1\.nb\.py becomes this file, too; remove"
    ):
        assemble(source, ["practicals"], tmp_path / "out", solutions=False)


def test_published_content_replaces_itself_and_nothing_else(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "new/out"
    publish(source, ["index.md", "prologue"], out, solutions=False)
    publish(source, ["index.md"], out, solutions=False)
    assert listed(out) == ["index.md", "manifest.json"]
    (source / "index.md").unlink()
    with pytest.raises(PracticumError):
        publish(source, ["index.md"], out, solutions=False)
    assert listed(out) == ["index.md", "manifest.json"], "the last good one stays"
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    (tmp_path / "mine").mkdir()
    with pytest.raises(PracticumError, match="something else is there; name a new folder"):
        publish(source, ["prologue"], tmp_path / "mine", solutions=False)


# ---- sessions and links --------------------------------------------------------------------------------------------

SESSIONS = (
    Session(date="2027-02-22", lecture="lecture-01-tensors", practical="practical-1", video="https://host/a (1).mp4"),
    Session(date="2027-03-01", title="Guests [2] | more", project="pairs"),
)


def write_weeks(source: Path, out: Path, sessions: Sequence[Session], links: Mapping[str, str]) -> None:
    (source / "index.md").write_text("# Start\n\n{{ links }}\n\n{{ sessions }}\n")
    (source / "lectures").mkdir(exist_ok=True)
    (source / "lectures/lecture-01-tensors.nb.py").write_text("# %% [markdown]\n# # Lecture 1: tensors\n")
    facts = Facts("TT-1", "Small", "Nowhere", "2027-spring", "tt1", links=links, sessions=tuple(sessions))
    assemble(source, ["index.md", "practicals", "lectures"], out, solutions=False, facts=facts)


def test_pages_show_sessions_and_links(source: Path, tmp_path: Path) -> None:
    write_weeks(source, tmp_path / "out", SESSIONS, {"forum": "https://host/?a=1|2"})
    table = """\
| date | lecture | your work | to take along |
| --- | --- | --- | --- |
| 2027-02-22 | [Lecture 1: tensors]({}) | [practical-1]({}) | [video](https://host/a%20%281%29.mp4) |
| 2027-03-01 | Guests \\[2\\] \\| more | pairs |  |
"""
    lecture, practical = "lectures/lecture-01-tensors.ipynb", "practicals/practical-1/practical-1.ipynb"
    forum = "[forum](https://host/?a=1%7C2)"
    index = (tmp_path / "out/index.md").read_text()
    assert index == f"# Start\n\n{forum}\n\n## Sessions\n\n{table.format(lecture, practical)}"
    beside = (tmp_path / "out/lectures/sessions.md").read_text()
    there = table.format("lecture-01-tensors.ipynb", f"../{practical}")
    assert beside == f"# TT-1 Small: sessions\n\n{there}\n{forum}\n"
    assert "lectures/sessions.md" in json.loads((tmp_path / "out/manifest.json").read_text())["files"]


def test_nothing_is_shown_of_sessions_that_only_say_what_belongs_together(source: Path, tmp_path: Path) -> None:
    write_weeks(source, tmp_path / "out", [Session(lecture="lecture-01-tensors", practical="practical-1")], {})
    assert (tmp_path / "out/index.md").read_text().strip() == "# Start"
    assert not (tmp_path / "out/lectures/sessions.md").exists()


def test_another_date_or_session_is_another_content() -> None:
    files = {"p/practical-1/solutions/a.py": "1", "p/practical-2/solutions/a.py": "2", "p/a.py": "3", "tools/b": "4"}
    chosen = select_content(files, ["p"], {"practical-1": "2027-03-01"}, {"code": "TT-1"})
    assert chosen == {".dated/p/practical-1/solutions/a.py": "1 2027-03-01", "p/a.py": "3"}
    assert select_content(files, ["p"], {"practical-1": "2027-03-02"}, {}) != chosen
    assert select_content(files, ["p"], {"practical-1": "2027-03-01"}, {"links": {"a": "https://host/"}}) != chosen
