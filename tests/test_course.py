"""What the tools know of a product, its page, the students' commands, and their wheel."""

import json
import os
import re
import zipfile
from pathlib import Path

import pytest
from checkout import ROOT, SEMESTER, Checkout

from practicum.commands.inputs import list_lectures as list_kept_lectures
from practicum.course import commands
from practicum.course.content import assemble
from practicum.course.executed import Executed
from practicum.engine.cache import hash_tree
from practicum.engine.errors import PracticumError
from practicum.recipes.course import Course
from practicum.semester import products, settings
from practicum.semester.lectures import find_lectures

PACKAGES = commands.list_packages(ROOT / "runtime", ROOT / "course_content/tools")


@pytest.mark.parametrize("product", ["cpu", "cuda"])
def test_container_belongs_to_jovyan_and_is_never_open(checkout: Checkout, product: settings.Product) -> None:
    """An open access is said of a classroom's machines; a container may stand on any network."""
    checkout.replace('access = "code"', 'access = "open"')
    semester = checkout.load()
    known = settings.describe_course(semester, product)
    assert (known["user"], known["access"], known["product"]) == ("jovyan", "code", product)
    machine = settings.describe_course(semester, "appliance")
    assert (machine["user"], machine["access"]) == ("student", "open")
    assert known.keys() == machine.keys()


def test_page_of_the_products_offers_no_download_and_leads_nowhere_else(checkout: Checkout, tmp_path: Path) -> None:
    semester = checkout.load()
    stage = next(stage for stage in products.list_image(semester, "cpu") if isinstance(stage, Course))
    assemble(semester.content_root, semester.content.include, tmp_path / "content", solutions=False)
    for number in (1, 2):
        stage.write_page(tmp_path / "content", tmp_path / f"docs{number}", tmp_path / "work")
    docs = tmp_path / "docs1"
    assert hash_tree(docs) == hash_tree(tmp_path / "docs2"), "the same bytes, on whatever day"
    assert not (tmp_path / "work").exists()
    assert not [name for name in ("download.html", "assistants", "release", "files") if (docs / name).exists()]
    for path in docs.rglob("*.html"):
        for address in re.findall(r'(?:href|src)="(?![a-z]+:)([^"#]+)', path.read_text()):
            assert (path.parent / address).is_file(), (path, address)
    landing = re.findall(r"\]\(/static/docs/([^)]+)\)", (tmp_path / "content/index.md").read_text())
    assert {f"docs/{name}.html" for name in ("student", "docker", "data", "projects", "troubleshoot")} <= {*landing}
    assert all((docs / address).is_file() for address in landing), "JupyterLab's landing page leads to the page"
    size = sum(path.stat().st_size for path in docs.rglob("*") if path.is_file())
    assert size < 5 << 20, "the .ova may grow by a megabyte, not by more"


def run_lecture(executed: Executed, number: int) -> None:
    """Keep a notebook of one lecture as if it had been run."""
    kept = executed.lectures[number].kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    figure = {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo="}}
    text = {"output_type": "stream", "text": "printed by it\n"}
    cells = [
        {"cell_type": "markdown", "source": "# Lecture"},
        {"cell_type": "code", "source": "1", "outputs": [text, figure]},
    ]
    kept.write_text(json.dumps({"cells": cells}))


def test_pages_show_what_a_lecture_printed_once_it_was_run(checkout: Checkout, tmp_path: Path) -> None:
    def find_stage() -> tuple[Course, str]:
        stage = next(one for one in products.list_image(checkout.load(), "cpu") if isinstance(one, Course))
        return stage, stage.key

    _, before = find_stage()
    executed = find_lectures(checkout.load())
    assert len(executed.missing) == len(executed.lectures) > 0
    run_lecture(executed, 0)
    stage, after = find_stage()
    assert before != after, "the products are built again"
    assert [executed.lectures[0]] == [*find_lectures(checkout.load()).there]
    semester = checkout.load()
    assemble(semester.content_root, semester.content.include, tmp_path / "content", solutions=False)
    stage.write_page(tmp_path / "content", tmp_path / "docs", tmp_path / "work")
    name = executed.lectures[0].name
    page = (tmp_path / f"docs/lectures/{name}.html").read_text()
    assert "printed by it" in page and (tmp_path / f"docs/lectures/{name}-1.png").is_file()
    assert [*list_kept_lectures(semester)] == [f"lectures/{executed.lectures[0].kept.name}"], "in make inputs"


@pytest.mark.parametrize(
    "change", ["course_content/lectures/lecture-01-tensors.nb.py", "course_content/prologue/dlc_practical_prologue.py",
               f"semesters/{SEMESTER}/python-cpu.lock", ""]
)  # fmt: skip
def test_lecture_is_run_again_after_a_change_of_what_it_reads(checkout: Checkout, change: str) -> None:
    executed = find_lectures(checkout.load())
    run_lecture(executed, 0)
    if change:
        with (checkout.root / change).open("a") as file:
            file.write("\n")
    else:
        checkout.replace('source = "real-or-stand-in"', 'source = "stand-in"')
    assert not find_lectures(checkout.load()).there
    assert find_lectures(checkout.load()).lectures[0].name == executed.lectures[0].name


def test_list_commands_is_sorted_and_every_command_exists() -> None:
    names = commands.list_commands(PACKAGES, "appliance")
    assert names == sorted(names) and {"bye", "set-kbd", "course-access", "course-doctor"} <= set(names)


def test_containers_lack_the_commands_of_a_machine(tmp_path: Path) -> None:
    names = commands.list_commands(PACKAGES, "cuda")
    assert {"course-doctor", "course-sync", "course-verify", "bye"} <= set(names)
    assert (
        commands.MACHINE_COMMANDS.isdisjoint(names)
        and set(commands.list_commands(PACKAGES, "appliance")) >= commands.MACHINE_COMMANDS
    )


def test_list_commands_reads_the_scripts_alone(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "t"\n[project.scripts]\nb = "t:b"\na = "t:a"\n')
    assert commands.list_commands([tmp_path], "cpu") == ["a", "b"]


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the build's containment needs root")


@needs_root
def test_wheels_of_the_commands_are_built_without_a_network_and_outside_the_checkout(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    packages = commands.list_packages(checkout.root / "runtime", checkout.root / "course_content/tools")
    before = [hash_tree(package, ignore=()) for package in packages]
    runtime, tools = commands.build_wheels(packages, tmp_path / "out", tmp_path / "tools.log")
    expected = {runtime: "course_runtime/machine/bye.py", tools: "course_tools/submit/guard/sitecustomize.py"}
    for wheel, module in expected.items():
        names = zipfile.ZipFile(wheel).namelist()
        assert module in names and any(name.endswith("entry_points.txt") for name in names)
    after = [hash_tree(package, ignore=()) for package in packages]
    assert after == before, "what a build leaves in the sources would run the stage again"


@needs_root
def test_wheel_that_does_not_build_is_told_with_the_log(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(PracticumError, match=rf"^course: .*uv ended with exit code \d+: .*{tmp_path}/tools\.log"):
        commands.build_wheels([tmp_path], tmp_path / "out", tmp_path / "tools.log")
