"""The benchmark's page, and the promise that measuring leaves no trace. `make bench` does the rest."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from practicum import build, run, stages
from practicum.description import load
from practicum.errors import PracticumError

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import figures  # noqa: E402
import sandbox  # noqa: E402

HOST = figures.Host("Some CPU", 2, 25_300_000_000, "6.1.0")
SIZE = figures.Measurement(
    product="ee559-2027-spring",
    command="scripts/bench.py --only size",
    date="2027-02-01 09:30",
    load=0.25,
    host=HOST,
    figures=(
        figures.Figure("size of the `.ova`", 552_294_400, "bytes", 600e6),
        figures.Figure("against 2018", 0.1624, "ratio"),
    ),
)
WARM = replace(
    SIZE,
    command="scripts/bench.py --only warm",
    figures=(figures.Figure("`make ova`, nothing changed", 7.25, "s", 5.0),),
)


def test_page_shows_each_row_with_its_command_and_each_part_with_its_machine() -> None:
    page = figures.render({"warm": WARM, "size": SIZE}, ("size", "warm", "cold"))
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert rows == [
        "| what | measured | at most | command |",
        "| --- | --- | --- | --- |",
        "| size of the `.ova` | 552.3 MB | 600.0 MB | `scripts/bench.py --only size` |",
        "| against 2018 | 0.16 times |  | `scripts/bench.py --only size` |",
        "| `make ova`, nothing changed | 7.2 s | 5.0 s **(missed)** | `scripts/bench.py --only warm` |",
        "| part | of | when | load before | machine |",
        "| --- | --- | --- | --- | --- |",
        "| size | ee559-2027-spring | 2027-02-01 09:30 | 0.2 | Some CPU, 2 cores, 25.3 GB, Linux 6.1.0 |",
        "| warm | ee559-2027-spring | 2027-02-01 09:30 | 0.2 | Some CPU, 2 cores, 25.3 GB, Linux 6.1.0 |",
    ]


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [(59.4, "s", "59.4 s"), (59.6, "s", "1 min 00 s"), (754.4, "s", "12 min 34 s"), (1.256, "ratio", "1.26 times")],
)
def test_values_are_written_for_people(value: float, unit: str, shown: str) -> None:
    assert figures.format_value(value, unit) == shown


def test_parts_that_did_not_run_keep_their_figures(tmp_path: Path) -> None:
    kept = tmp_path / "bench.json"
    assert figures.read_measurements(kept) == {}
    figures.write_measurements(kept, {"size": SIZE, "warm": WARM})
    again = replace(WARM, date="2027-02-02 10:00")
    figures.write_measurements(kept, {**figures.read_measurements(kept), "warm": again})
    assert figures.read_measurements(kept) == {"size": SIZE, "warm": again}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small checkout: one file of each kind that a copy must get right."""
    folder = tmp_path / "checkout"
    for name, text in {
        ".gitignore": "dist/\n",
        "script.sh": "#!/bin/sh\n",
        "removed.txt": "",
        "dist/large.ova": "",
        "course_content/index.md": "# Welcome\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "script.sh").chmod(0o755)
    (folder / "link").symlink_to("script.sh")
    for argv in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *argv], cwd=folder, check=True)
    (folder / "removed.txt").unlink()
    (folder / "new.txt").write_text("not added yet\n")
    return folder


def test_copy_holds_what_a_build_reads(checkout: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    sandbox.copy_checkout(checkout, copy)
    there = sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*") if not path.is_dir())
    assert there == [".gitignore", "course_content/index.md", "link", "new.txt", "script.sh"]
    assert (copy / "link").is_symlink() and (copy / "script.sh").stat().st_mode & 0o111


def test_content_change_runs_only_what_follows_from_the_content(tmp_path: Path) -> None:
    """On the newest semester as it is here: its keys say what a build would do, without building."""
    sandbox.copy_checkout(ROOT, tmp_path / "copy")
    semester = load(max((tmp_path / "copy/semesters").glob("20*")))
    before = {stage.name: stage.key for stage in build.list_stages(semester)}
    changed = sandbox.change_content(semester).strip("`")
    original, text = (folder / "course_content" / changed for folder in (ROOT, tmp_path / "copy"))
    assert text.read_text().startswith(original.read_text()) and text.read_text() != original.read_text()
    after = {stage.name: stage.key for stage in build.list_stages(semester)}
    courses = {f"course-{product}" for product in ("appliance", "cpu", "cuda")}
    expected = {*courses, "disk", "ova", "image-cpu", "image-cuda"}
    assert {name for name in after if after[name] != before[name]} == expected


def test_content_without_a_text_is_refused(tmp_path: Path) -> None:
    sandbox.copy_checkout(ROOT, tmp_path)
    semester = load(max((tmp_path / "semesters").glob("20*")))
    for path in (tmp_path / "course_content").rglob("*"):
        if path.suffix in (".md", ".py"):
            path.unlink()
    empty = semester.model_copy(update={"content": semester.content.model_copy(update={"include": ("practicals",)})})
    with pytest.raises(PracticumError, match=r"no \.md or \.py file"):
        sandbox.change_content(empty)


def test_images_end_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(run, "read", lambda argv, **_: asked.append(argv) or "")
    sandbox.restore_images(
        {"p-course:1": "", "p-environment:1": "sha256:old", "p-base:1": "sha256:same"},
        {"p-course:2": "sha256:new", "p-environment:1": "sha256:again", "p-base:1": "sha256:same"},
    )
    assert asked == [
        ["docker", "tag", "sha256:old", "p-environment:1"],
        ["docker", "image", "rm", "--force", "sha256:new"],
        ["docker", "image", "rm", "--force", "sha256:again"],
    ]


def test_lent_output_is_a_whole_output_of_the_other_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    stage = stages.Stage("small", {"a": "1"}, lambda out, _: (out / "made").write_text("x") and None, ("made",))
    stages.ensure(stage, "scope")
    sandbox.lend_output(stage, tmp_path / "other")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert stages.find_fault(stage) == ""
    stages.prune()  # nothing of the other cache is used yet, so all of it goes
    assert stages.find_fault(stage) == "no output"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    assert stages.find_fault(stage) == ""
