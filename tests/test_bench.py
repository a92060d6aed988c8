"""The benchmark's page, and the promise that measuring leaves no trace. `make bench` does the rest."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from plain_stage import PlainStage, remove_no_image
from survivors import HANG

from practicum.engine import run, stages
from practicum.engine.errors import PracticumError
from practicum.images import docker as images
from practicum.semester import products
from practicum.semester.description import load
from practicum.semester.find import find_semester

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import bench  # noqa: E402
import bench_appliance  # noqa: E402
import bench_arm  # noqa: E402
import bench_audit  # noqa: E402
import bench_base  # noqa: E402
import bench_images  # noqa: E402
import bench_plain  # noqa: E402
import bench_start  # noqa: E402
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


def test_page_names_each_part_once_beside_its_rows_and_once_with_its_command() -> None:
    page = figures.render({"warm": WARM, "size": SIZE}, ("size", "warm", "cold"))
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert rows == [
        "| part | what | measured | at most |",
        "| --- | --- | --- | --- |",
        "| size | size of the `.ova` | 552.3 MB | 600.0 MB |",
        "|  | against 2018 | 0.16 times |  |",
        "| warm | `make ova`, nothing changed | 7.2 s | 5.0 s **(missed)** |",
        "| part | command | of | when | load before | machine |",
        "| --- | --- | --- | --- | --- | --- |",
        "| size | `scripts/bench.py --only size` | ee559-2027-spring | 2027-02-01 09:30 | 0.2 "
        "| Some CPU, 2 cores, 25.3 GB, Linux 6.1.0 |",
        "| warm | `scripts/bench.py --only warm` | ee559-2027-spring | 2027-02-01 09:30 | 0.2 |  |",
    ]


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.086, "s", "0.09 s"),
        (59.4, "s", "59.4 s"),
        (59.6, "s", "1 min 00 s"),
        (754.4, "s", "12 min 34 s"),
        (1.256, "ratio", "1.26 times"),
        (12, "count", "12"),
    ],
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


def test_page_can_be_written_again_from_what_git_keeps() -> None:
    """Else `bench.py --only PART` in a fresh clone would throw all other rows away."""
    kept = figures.read_measurements(bench.KEPT)
    assert (ROOT / "docs/figures.md").read_text() == figures.render(kept, tuple(bench.PARTS))
    tracked = subprocess.run(["git", "ls-files", bench.KEPT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert tracked.stdout, "git does not keep the raw numbers"


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
    recipes = {bench_appliance: products.list_ova, bench_images: bench_images.list_recipe}
    before = {part: {stage.name: stage.key for stage in recipe(semester)} for part, recipe in recipes.items()}
    changed = sandbox.change_content(semester).strip("`")
    original, text = (folder / "course_content" / changed for folder in (ROOT, tmp_path / "copy"))
    assert text.read_text().startswith(original.read_text()) and text.read_text() != original.read_text()
    for part, recipe in recipes.items():
        anew = [stage.name for stage in recipe(semester) if stage.key != before[part][stage.name]]
        assert anew == list(part.CHANGED_BY_CONTENT)


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
        {"c:spring-cpu": "sha256:mine", "p-course:1": "", "p-environment:1": "sha256:old", "p-base:1": "sha256:same"},
        {
            "c:spring-cpu": "sha256:named",
            "c:spring-unknown-cpu": "sha256:named",
            "p-course:2": "sha256:new",
            "p-environment:1": "sha256:again",
            "p-base:1": "sha256:same",
        },
    )
    assert asked == [
        ["docker", "tag", "sha256:mine", "c:spring-cpu"],
        ["docker", "tag", "sha256:old", "p-environment:1"],
        ["docker", "image", "rm", "--force", "sha256:named"],
        ["docker", "image", "rm", "--force", "sha256:new"],
        ["docker", "image", "rm", "--force", "sha256:again"],
    ]


def test_image_in_use_is_left_and_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(argv: list[str], **_: object) -> str:
        if argv[-1] == "sha256:used":
            raise PracticumError("bench", "image is being used by running container 999c34f26aa1")
        removed.append(argv[-1])
        return ""

    removed: list[str] = []
    monkeypatch.setattr(run, "read", refuse)
    sandbox.restore_images({}, {"c:spring-cpu": "sha256:used", "p-course:2": "sha256:free"})
    assert removed == ["sha256:free"]
    assert capsys.readouterr().err.endswith("999c34f26aa1; remove it with: docker image rm sha256:used\n")


def test_images_have_a_second_name_while_a_build_may_take_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(run, "read", lambda argv, **_: asked.append(argv) or "")
    with sandbox.kept(["sha256:0123456789abcdef", "sha256:0123456789abcdef", ""]):
        assert asked == [["docker", "tag", "sha256:0123456789abcdef", "practicum-spared:0123456789ab"]]
    assert asked[1:] == [["docker", "image", "rm", "practicum-spared:0123456789ab"]]


def test_all_names_a_build_gives_are_remembered_children_before_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.copy_checkout(ROOT, tmp_path)
    semester = load(max((tmp_path / "semesters").glob("20*")))
    monkeypatch.setattr(images, "find_id", lambda tag: f"id of {tag}")
    found = sandbox.find_images(semester)
    products = [f"{semester.course.slug}:{semester.id}-{kind}" for kind in ("cpu", "cuda")]
    assert [*found][:2] == products and found[products[0]] == f"id of {products[0]}"
    assert [*found][-1].startswith("practicum-base:")


def test_lent_output_is_a_whole_output_of_the_other_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    stage = PlainStage(
        name="small", given={"a": "1"}, build=lambda out, _: (out / "made").write_text("x") and None, outputs=("made",)
    )
    stages.ensure(stage, "scope")
    sandbox.lend_output(stage, tmp_path / "other")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert stages.find_fault(stage) == ""
    stages.prune(remove_no_image)  # nothing of the other cache is used yet, so all of it goes
    assert stages.find_fault(stage) == "no output"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    assert stages.find_fault(stage) == ""


def test_each_part_has_a_name_of_its_own() -> None:
    tables = [module.PARTS for module in (bench_appliance, bench_images, bench_start, bench_audit, bench_arm)]
    assert list(bench.PARTS) == [part for table in tables for part in table]


def test_other_architecture_is_measured_where_the_semester_names_it() -> None:
    semester = find_semester("")
    assert set(bench_arm.PARTS) <= set(bench.list_parts(semester))
    alone = semester.model_copy(update={"architectures": ("amd64",)})
    assert set(bench.PARTS) - set(bench.list_parts(alone)) == set(bench_arm.PARTS)


def test_unknown_part_is_refused_before_anything_is_measured() -> None:
    with pytest.raises(PracticumError, match=r"images-hot: no such part; there are size, .*images-start"):
        bench.bench(only="size,images-hot")


def test_command_runs_in_an_empty_home_then_in_what_it_left(tmp_path: Path) -> None:
    homes = tmp_path / "homes"
    script = 'ls -A "$HOME" >>"$0"; touch "$HOME/seen"'
    twice = ["bash", "-c", bench_images.TWICE, "bench"]
    done = subprocess.run(
        [*twice, "bash", "-c", script, homes], env={"TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert homes.read_text() == "seen\n"
    assert len([float(line) for line in done.stdout.split()]) == 2
    assert subprocess.run([*twice, "false"], env={"TMPDIR": str(tmp_path)}, check=False).returncode == 1


def test_plain_dockerfile_is_given_what_it_asks_for() -> None:
    semester = find_semester("")
    arguments = bench_plain.list_arguments(semester, "practicum-base:1", "http://127.0.0.1:1/")
    asked = re.findall(r"^ARG (\w+)$", bench_plain.DOCKERFILE.read_text(), re.MULTILINE)
    assert {*asked} == {*arguments} and "python3-venv" in arguments["DEBIAN_PACKAGES"].split()
    argv = bench_plain.build_argv(Path("/context"), "plain:cpu", arguments)
    assert argv[:2] == ["docker", "build"] and argv[-2:] == ["--tag=plain:cpu", "/context"]
    assert "--build-arg=BASE=practicum-base:1" in argv


def test_pins_without_hashes_are_what_a_person_writes() -> None:
    locked = "numpy==2.4.1 --hash=sha256:00 --hash=sha256:11\ntorch==2.13.0+cpu --hash=sha256:22\n"
    assert bench_plain.list_pins(locked) == "numpy==2.4.1\ntorch==2.13.0+cpu\n"


def test_wheels_are_served_while_the_build_runs_and_a_server_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "api").write_text("the bytes")
    with bench_plain.serve(tmp_path) as url:
        assert httpx.get(f"{url}api", trust_env=False).text == "the bytes"
        bench_base.wait_for_server(url.rstrip("/"), HANG, tmp_path / "log")
        with pytest.raises(PracticumError, match=r"http.*nothing: no JupyterLab within 0 s; see .*log"):
            bench_base.wait_for_server(f"{url}nothing", 0.1, tmp_path / "log")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}api", trust_env=False)
