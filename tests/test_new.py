"""Courses and semesters that a command makes, and what it refuses."""

import datetime
import shutil
from pathlib import Path

import pytest
from checkout import SEMESTER, Checkout
from typer.testing import CliRunner

from practicum import cli
from practicum.commands.following import begin_releases_again, make_next, rename
from practicum.commands.new import choose_code, choose_semester, make_course
from practicum.course.site import generator
from practicum.course.site.documents import STUDENTS, list_documents
from practicum.engine.errors import PracticumError
from practicum.recipes.course import Course
from practicum.recipes.extras import Extras
from practicum.semester import products
from practicum.semester.description import load
from practicum.semester.find import choose_images, find_semester, list_semesters, name_course
from practicum.semester.folders import COURSE
from practicum.semester.settings import describe_start, list_special_commands
from practicum.semester.values import TAKEN_VARIABLES

ROOT = Path(__file__).parents[1]


def test_a_new_course_has_no_mistake_and_another_folder_than_the_checkout(tmp_path: Path) -> None:
    described = make_course(tmp_path / "cs-202", "2031-fall")
    assert load(tmp_path / "cs-202/semesters/2031-fall") == described
    assert (described.course.code, described.products) == ("CS-202", ("appliance", "cpu"))
    assert (described.course_root, described.checkout) == (tmp_path / "cs-202", ROOT)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "@" in path.read_text()]


def test_a_new_course_takes_no_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(PracticumError, match="something is there; name a new folder, or an empty one"):
        make_course(tmp_path, "2031-fall")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    with pytest.raises(PracticumError, match=r"course\.semester = "):
        make_course(tmp_path / "new", "fall")
    assert not (tmp_path / "new").exists()


def test_what_a_new_course_is_called() -> None:
    assert [choose_code(name) for name in ("cs-202", "a b", "1", "x" * 21)] == ["CS-202", "NEW-1", "NEW-1", "NEW-1"]
    days = (datetime.date(2027, 6, 30), datetime.date(2027, 7, 1))
    assert [choose_semester(day) for day in days] == ["2027-spring", "2027-autumn"]


def test_the_course_of_an_option_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COURSE, "")
    made = CliRunner().invoke(cli.app, ["new", str(tmp_path / "cs-202"), "--semester=2031-fall"])
    assert made.exit_code == 0 and f"practicum --course {tmp_path / 'cs-202'} lock" in made.stdout
    told = CliRunner().invoke(cli.app, [f"--course={tmp_path / 'cs-202'}", "check"])
    lock = f"practicum --course {tmp_path / 'cs-202'} lock 2031-fall"
    assert told.stdout == f"semesters/2031-fall: cs202-2031-fall, no mistakes; choose the packages with: {lock}\n"
    refused = CliRunner().invoke(cli.app, [f"--course={tmp_path}", "check"])
    assert "no course: it has no folder semesters/; make one: practicum new" in str(refused.exception)


def test_the_next_semester_keeps_comments_and_begins_its_releases_again(checkout: Checkout) -> None:
    checkout.replace("release = 1 ", "release = 7 ")
    (checkout.folder / "releases").mkdir()
    before = (checkout.folder / "semester.toml").read_text()
    made = make_next(checkout.load(), "2031-fall")
    after = (made.folder / "semester.toml").read_text()
    assert after == before.replace(SEMESTER, "2031-fall").replace("release = 7 ", "release = 1 ")
    assert before.count("#") == after.count("#")
    assert {path.name for path in made.folder.iterdir()} == {path.name for path in checkout.folder.iterdir()} - {
        "releases"
    }
    assert "ee559:2031-fall-cpu" in (checkout.root / "docker/compose.yaml").read_text()
    assert not [path for path in STUDENTS if SEMESTER in (checkout.root / path).read_text()]
    assert list_semesters(checkout.root)[-1] == "2031-fall"
    with pytest.raises(PracticumError, match="is there already"):
        make_next(checkout.load(), "2031-fall")
    with pytest.raises(PracticumError, match="must be a year and words"):
        make_next(checkout.load(), "fall")


def test_the_next_semester_of_one_without_locks_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cs 202"
    described = make_course(folder, "2031-fall")
    monkeypatch.setenv(COURSE, str(folder))
    assert cli.exit_code_of(lambda: make_next(described, "2032-fall")) == 2
    assert [path.name for path in (folder / "semesters").iterdir()] == ["2031-fall"]
    cure = f"run: practicum --course '{folder}' lock 2031-fall\n"
    assert capsys.readouterr().err == f"practicum: semesters/2031-fall/python-cpu.lock: not there yet; {cure}"


def test_commands_that_a_message_names_are_for_the_course(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: b; run: make docker; start: make docker-daemon; make one: practicum new F; see: practicum check x"
    monkeypatch.setenv(COURSE, "/c")
    changed = text.replace("make docker;", "make docker COURSE=/c;").replace("m check", "m --course /c check")
    assert name_course(text) == changed
    monkeypatch.delenv(COURSE)
    assert name_course(text) == text


def test_only_whole_names_are_renamed() -> None:
    text = "ee559-2027-spring-amd64.ova, a:2027-spring-cuda, 2027-spring-b, 12027-spring, 2027-spring.\n"
    assert rename(text, "2027-spring", "N") == "ee559-N-amd64.ova, a:N-cuda, 2027-spring-b, 12027-spring, N.\n"
    command = "practicum next 2027-autumn --from 2027-spring\n"
    assert rename(f"{command}2027-spring-r1\n", "2027-spring", "N") == f"{command}N-r1\n"
    assert begin_releases_again("[data]\nrelease = 2\n[content]\na = 1\nrelease = 3 # x\n").endswith(
        "release = 1 # x\n"
    )


def test_what_a_course_adds_lies_below_its_content_in_every_product(tmp_path: Path) -> None:
    """And what ours lacks adds no stage to it. The appliance's Python environment is taken after the course's tasks."""
    folder = tmp_path / "cs-101"
    shutil.copytree(ROOT / "examples/cs-101", folder)
    semester = load(folder / "semesters/2027-spring")
    names = [stage.name for stage in products.list_all(semester)]
    assert names[:3] == ["base", "system", "python"] and "torch-cpu" not in names
    assert [name for name in names if "extras" in name] == ["extras-appliance", "extras-cpu"]
    extras = next(stage for stage in products.list_image(semester, "cpu") if isinstance(stage, Extras))
    assert extras.list_changes() == ('ENV CS101_LEVEL="first year"',)
    squashfs = next(stage for stage in products.list_ova(semester) if stage.name == "squashfs")
    assert "extras-appliance" in squashfs.inputs
    key, before = extras.key, products.list_image(semester, "cpu")[-1].key
    (folder / "ansible/tasks.yml").write_text("---\n")
    changed = {stage.name: stage.key for stage in products.list_image(semester, "cpu")}
    assert changed["extras-cpu"] != key and changed["image-cpu"] != before
    assert not [stage for stage in products.list_all(find_semester("")) if isinstance(stage, Extras)]


def test_a_course_without_torch_has_its_own_commands_and_the_pages_about_them(tmp_path: Path) -> None:
    semester = load(ROOT / "examples/cs-101/semesters/2027-spring")
    commands = list_special_commands(semester)
    assert commands == ("cs101-check",)
    assert not {"docs/data.md", "docs/projects.md", "docs/verify-gpu.md"} & {*list_documents(ROOT, commands).students}
    assert list_documents(ROOT, list_special_commands(find_semester(""))).students == STUDENTS


def test_cuda_without_torch_is_refused_at_the_start(tmp_path: Path) -> None:
    described = make_course(tmp_path / "cs-202", "2031-fall")
    with pytest.raises(
        PracticumError, match=r"the cuda image needs torch, which python.requires does not name; build cpu"
    ):
        choose_images(described, "cuda")
    file = described.folder / "semester.toml"
    file.write_text(f'products = ["cpu", "cuda"]\n{file.read_text()}')
    with pytest.raises(PracticumError, match=r'products = .*: "cuda" needs torch; name torch in python.requires, or'):
        load(described.folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"plugin": true}'])
def test_settings_of_jupyterlab_that_are_none(tmp_path: Path, text: str) -> None:
    described = make_course(tmp_path / "cs-202", "2031-fall")
    (tmp_path / "cs-202/jupyterlab").mkdir()
    (tmp_path / "cs-202/jupyterlab/overrides.json").write_text(text)
    with pytest.raises(PracticumError, match=r"jupyterlab/overrides\.json: .*; "):
        load(described.folder)


@pytest.mark.parametrize("line", ['PATH = "/"', 'a = "1"', 'A = "$HOME"', 'A = "50 %"', "A = 'a\"b'", "A = 1"])
def test_variables_that_no_product_can_have(tmp_path: Path, line: str) -> None:
    described = make_course(tmp_path / "cs-202", "2031-fall")
    with (described.folder / "semester.toml").open("a") as file:
        file.write(f"[environment]\n{line}\n")
    with pytest.raises(PracticumError, match="environment"):
        load(described.folder)


def test_variables_of_the_products_are_known() -> None:
    lines = (line for variant in products.VARIANTS for line in describe_start(find_semester(""), variant))
    assert {line.split("=")[0].removeprefix("ENV ") for line in lines if line.startswith("ENV ")} == TAKEN_VARIABLES


def test_templates_of_a_page_are_keyed_where_its_generator_reads_them(tmp_path: Path) -> None:
    """Even where the course brings a checkout of its own along."""
    shutil.copytree(ROOT / "examples/cs-101", tmp_path / "cs-101")
    shutil.copytree(ROOT / "packer", tmp_path / "cs-101/packer")
    shutil.copytree(ROOT / "ansible", tmp_path / "cs-101/ansible", dirs_exist_ok=True)
    described = load(tmp_path / "cs-101/semesters/2027-spring")
    assert described.checkout == tmp_path / "cs-101"
    stage = next(stage for stage in products.list_image(described, "cpu") if isinstance(stage, Course))
    assert stage.theme.path == generator.THEME.parent
